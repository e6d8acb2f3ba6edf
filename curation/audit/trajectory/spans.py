"""Which frames broke which rule: from the verdict on a clip back to where it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from capture.trajectory import Trajectory
from curation import exposure, motion
from curation.audit.trajectory.curves import OF_METRIC, Curve, unit_of
from curation.rules import Rule

_SHAKE_FRAMES = 9
# Runs of bad frames with fewer good ones between are one.
_CLOSE_FRAMES = 4
# A page of more would be heavy and tell no more.
_MOST = 200
_SWING_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Frames [start, stop) that break a rule.

    Attributes:
        rule: Its name.
        start: First frame.
        stop: One past the last.
        worst: The frame to look at.
        clip: Index of the clip that the rule rejects for it; -1 where no clip holds these frames.
        text: What is wrong, with the value and the bound.
        whole: Whether it is said of the clip as a whole, and no frame of it is worse than another.
    """

    rule: str
    start: int
    stop: int
    worst: int
    clip: int
    text: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class _Broken:
    """How far each frame is beyond a bound.

    Attributes:
        excess: float64 [T], above 0 where it is; only its order counts.
        value: What the rule is told of a frame, float64 [T].
        marks: Whether frames are marked, and the rule's metric counts them.
    """

    excess: np.ndarray
    value: np.ndarray
    marks: bool = False


def find(
    path: Trajectory,
    frames: Mapping[str, np.ndarray],
    curves: Sequence[Curve],
    clips: Sequence[Mapping],
    rules: Sequence[Rule],
) -> list[Span]:
    """What broke which rule where, by time.

    Of a clip that a rule rejects, the frames beyond the bound, or all of them where the metric is
    of the clip as a whole (a lag, a clearance). Of frames that no clip holds, those beyond the
    bound: they are why there is no clip.

    Args:
        path: Of the episode.
        frames: Columns of its frame table, [T] each.
        curves: Of `curves.of_path` and `curves.of_frames`.
        clips: Rows of its clips, with their metrics, `start` and `stop`.
        rules: That decided.
    """
    named = {curve.name: curve for curve in curves}
    free = np.ones(len(path), dtype=bool)
    for clip in clips:
        free[clip["start"] : clip["stop"]] = False
    found: list[Span] = []
    for rule in rules:
        said = {n: rule.reason(_number(clip.get(rule.metric))) for n, clip in enumerate(clips)}
        rejected = {number: text for number, text in said.items() if text is not None}
        if not rejected and (rule.metric in _WINDOWS or not free.any()):
            continue
        broken = _broken(rule, path, frames, named)
        for number, text in rejected.items():
            clip = clips[number]
            inside = np.zeros(len(path), dtype=bool)
            inside[clip["start"] : clip["stop"]] = True
            spans = list(_spans(rule, broken, inside, number, text)) if broken else []
            found += spans or [_whole(rule, clip, number, text)]
        if broken and rule.metric not in _WINDOWS:
            found += _spans(rule, broken, free, -1)
    return sorted(found, key=lambda span: (span.start, span.stop, span.rule))


def to_json(found: Sequence[Span]) -> list[dict]:
    """Spans as the page takes them, by time: at most 200, those that rejected a clip first."""
    chosen = sorted(found, key=lambda span: span.clip < 0)[:_MOST]
    return [asdict(span) for span in sorted(chosen, key=lambda span: (span.start, span.rule))]


def runs(bad: np.ndarray) -> list[tuple[int, int]]:
    """Half-open runs of bad frames, bool [T]; gaps of up to three good ones are closed."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], bad.astype(np.int8), [0]])))
    found: list[tuple[int, int]] = []
    for start, stop in edges.reshape(-1, 2).tolist():
        if found and start - found[-1][1] < _CLOSE_FRAMES:
            start = found.pop()[0]
        found.append((start, stop))
    return found


def _broken(
    rule: Rule, path: Trajectory, frames: Mapping[str, np.ndarray], curves: Mapping[str, Curve]
) -> _Broken | None:
    """Which frames are beyond a rule's bounds; None where no frame can tell."""
    if rule.metric in _MARKS:
        marked = _MARKS[rule.metric](path, frames).astype(np.float64)
        return _Broken(marked, marked, marks=True)
    if rule.metric in _WINDOWS:
        return _beyond(rule, _windowed(rule.metric, path))
    curve = curves.get(OF_METRIC.get(rule.metric, ""))
    if curve is None:
        return None
    values = curve.values / unit_of(rule.metric)[1]
    reached = np.full(len(values), np.nan)
    for shift in range(curve.reach):
        late = np.concatenate([np.full(shift, np.nan), values[: len(values) - shift]])
        reached = np.where(np.isnan(reached), late, reached)
    return _beyond(rule, reached)


def _beyond(rule: Rule, values: np.ndarray) -> _Broken:
    known = np.nan_to_num(values, nan=max(rule.at_least, min(rule.at_most, 0.0)))
    return _Broken(np.maximum(known - rule.at_most, rule.at_least - known), values)


def _windowed(metric: str, path: Trajectory) -> np.ndarray:
    """A metric of clips, taken from the frames around each frame, float64 [T]."""
    measure, length_s = _WINDOWS[metric]
    step_s = float(path.t_s[-1] - path.t_s[0]) / max(len(path) - 1, 1)
    length = min(max(_SHAKE_FRAMES, round(length_s / max(step_s, 1e-9))), len(path))
    values = np.full(len(path), np.nan)
    for start in range(len(path) - length + 1):
        values[start + length // 2] = measure(path.window(start, start + length))
    return values


def _spans(
    rule: Rule, broken: _Broken, where: np.ndarray, clip: int, text: str = ""
) -> Iterator[Span]:
    """Runs of frames that are beyond the bound and in `where`, bool [T]."""
    for start, stop in runs((broken.excess > 0) & where):
        worst = start + int(np.argmax(broken.excess[start:stop]))
        said = text if broken.marks else rule.reason(float(broken.value[worst]))
        yield Span(
            rule=rule.name, start=start, stop=stop, worst=worst, clip=clip, text=said or rule.name
        )


def _whole(rule: Rule, clip: Mapping, number: int, said: str) -> Span:
    start, stop = int(clip["start"]), int(clip["stop"])
    what = "trajectory" if rule.metric in _OF_TRAJECTORY else "clip"
    return Span(
        rule=rule.name, start=start, stop=stop, worst=start, clip=number, whole=True,
        text=f"{said} (the {what} as a whole)",
    )  # fmt: skip


def _frozen(path: Trajectory, frames: Mapping[str, np.ndarray]) -> np.ndarray:
    step_s = np.diff(path.t_s)
    moved = [np.append(0.0, rate * step_s) for rate in (path.speed_m_s(), path.turn_deg_s())]
    return exposure.frozen(frames["luma_std"], frames["change"], *moved)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


_MARKS: dict[str, Callable[[Trajectory, Mapping[str, np.ndarray]], np.ndarray]] = {
    "teleports": lambda path, frames: motion.teleports(path),
    "stutters": lambda path, frames: motion.stutters(path),
    "still_share": lambda path, frames: motion.idle(path),
    "black_frames": lambda path, frames: exposure.black(frames["luma_mean"]),
    "frozen_frames": _frozen,
}
# Metrics that are of all clips of a trajectory alike: the planner knows them, no frame does.
_OF_TRAJECTORY = ("clearance_m",)
# Metrics of a stretch of frames, and how many seconds of it are looked at.
_WINDOWS: dict[str, tuple[Callable[[Trajectory], float], float]] = {
    "jitter_mm": (lambda path: motion.jitter(path)[0], 0.0),
    "jitter_deg": (lambda path: motion.jitter(path)[1], 0.0),
    "reversals_hz": (motion.reversals_hz, _SWING_S),
    "sway_hz": (motion.sway_hz, _SWING_S),
}
