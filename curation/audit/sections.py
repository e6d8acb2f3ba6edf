"""The sections of the report."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

import jinja2
import numpy as np
from markupsafe import Markup

from capture.actions import NAMES
from curation.audit import charts, numbers, pictures
from curation.audit.data import Report, Route
from curation.catalogue import ABOUT, UNITS
from curation.filters import Rule
from curation.geometry import LAGS

_MAX_ROUTES = 72  # with pictures; a page of more would be too heavy to send
_OPEN_PER_GROUP = 3
_COLOURS = 6  # classes route-0 ... of the style sheet
_PAIRS = (
    ("dolly_out", "dolly_in"),
    ("truck_left", "truck_right"),
    ("pedestal_down", "pedestal_up"),
    ("tilt_down", "tilt_up"),
    ("pan_left", "pan_right"),
    ("roll_ccw", "roll_cw"),
)
_TIMELINES = (
    ("speed_m_s", "Speed, m/s", "speed_max_m_s"),
    ("turn_deg_s", "Turn rate, deg/s", "turn_max_deg_s"),
    ("luma_mean", "Mean luma, levels", ""),
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page.

    Attributes:
        title: Plain text; also its entry in the table of contents.
        html: What stands below the title, safe to insert.
    """

    title: str
    html: str

    @property
    def anchor(self) -> str:
        """The title as an HTML id."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def build(report: Report) -> list[Section]:
    """All sections that have something to say, in reading order."""
    parts = [
        Section("Agreement", _agreement(report)),
        Section("Scenes", _scenes(report)),
        Section("Verdicts", _verdicts(report)),
        Section("Actions", _actions(report)),
        Section("Trajectories", _trajectories(report)),
        Section("Measurements", _measurements(report)),
        Section("Shards", render("shards.html", shards=report.shards)),
        Section("Problems", render("problems.html", problems=report.problems)),
    ]
    return [part for part in parts if part.html.strip()]


def summary_line(report: Report) -> str:
    """How much there is, in one line."""
    frames = sum(len(route.frames) for route in report.routes)
    minutes = sum(route.duration_s for route in report.routes) / 60
    sizes = sorted(
        {(r.episode.intrinsics.width_px, r.episode.intrinsics.height_px) for r in report.routes}
    )
    rates = sorted({route.episode.fps for route in report.routes})
    return " · ".join(
        [
            _count(len(report.routes), "trajectory", "trajectories"),
            _count(len(report.scenes), "scene", "scenes"),
            f"{frames:,} frames",
            f"{minutes:.1f} minutes at {', '.join(f'{rate:g}' for rate in rates)} fps",
            ", ".join(f"{width} x {height}" for width, height in sizes),
        ]
    )


def render(template: str, **values: object) -> str:
    """A template of this package, filled in."""
    return _environment().get_template(template).render(**values)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("curation.audit"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _agreement(report: Report) -> str:
    found = numbers.agreement(report)
    errors = np.array([math.nan if e is None else e for e in found["lag_errors"]])
    raw = all(clip["raw_pixels"] for clip in report.clips)
    return render(
        "agreement.html",
        found=found,
        clips=len(report.clips),
        kept=sum(clip["keep"] for clip in report.clips),
        lag=LAGS[int(np.argmin(errors))] if np.isfinite(errors).all() else None,
        curve=charts.lag_curve(LAGS, errors) if np.isfinite(errors).all() else "",
        inliers=_histogram(report, "geometry_inlier", width=540),
        raw=raw,
    )


def _scenes(report: Report) -> str:
    folder = report.path / "scenes"
    kinds = _kinds(report)
    cards = []
    for scene_id, card in sorted(report.scenes.items()):
        routes = [route for route in report.routes if route.episode.scene.id == scene_id]
        drawn = [
            (
                route.frames[["x_m", "y_m"]].to_numpy(dtype=np.float64),
                f"path route-{kinds[route.episode.generator]}",
                f"{_words(route.episode.generator)}, {route.length_m:.1f} m, {route.episode.id}",
            )
            for route in routes
        ]
        plan = card.get("map")
        bounds = card["bounds_m"]
        extent = plan["extent_m"] if plan else (bounds[0], bounds[3], bounds[1], bounds[4])
        image = pictures.from_file(folder / plan["image"]) if plan else None
        picture = card.get("picture")
        split = {clip["split"] for route in routes for clip in route.clips}
        cards.append(
            {
                "id": scene_id,
                "setting": card.get("setting") or card["name"],
                "light": card.get("light", ""),
                "places": [place["name"] for place in card.get("places", ())],
                "split": ", ".join(sorted(split)),
                "routes": len(routes),
                "metres": sum(route.length_m for route in routes),
                "size": f"{bounds[3] - bounds[0]:.0f} x {bounds[4] - bounds[1]:.0f} m",
                "picture": pictures.from_file(folder / picture, 832) if picture else None,
                "map": charts.plan_view(extent, drawn, image),
            }
        )
    legend = [(_words(name), number) for name, number in kinds.items()]
    return render("scenes.html", cards=cards, legend=legend)


def _verdicts(report: Report) -> str:
    kept = sum(clip["keep"] for clip in report.clips)
    train = sum(clip["keep"] and clip["split"] == "train" for clip in report.clips)
    return render(
        "verdicts.html",
        total=len(report.clips),
        kept=kept,
        train=train,
        causes=numbers.causes(report),
        examples=[clip for clip in report.clips if clip["keep"]][:: max(1, kept // 5)][:5],
        rules=[(rule.name, ABOUT[rule.metric], _bounds(rule)) for rule in report.rules],
    )


def _actions(report: Report) -> str:
    shares: dict[str, float] = dict(zip(NAMES, numbers.action_shares(report).tolist(), strict=True))
    pairs = [(_words(a), shares[a], _words(b), shares[b]) for a, b in _PAIRS]
    return render(
        "actions.html",
        chart=charts.butterfly(pairs),
        static=shares["static"],
        sum=sum(shares.values()),
        entropy=float(np.mean(report.values("action_entropy_bits"))) if report.clips else 0.0,
    )


def _trajectories(report: Report) -> str:
    """Groups by scene and generator; those with rejected clips come first in theirs."""
    shown = _chosen(report.routes)
    kinds = _kinds(report)
    groups: dict[tuple[str, str], list[dict]] = {}
    for route in shown:
        key = (route.episode.scene.id, route.episode.generator)
        groups.setdefault(key, []).append(_row(route, report))
    listed = [
        {
            "scene": scene,
            "generator": _words(generator),
            "kind": kinds[generator],
            "open": rows[:_OPEN_PER_GROUP],
            "more": rows[_OPEN_PER_GROUP:],
        }
        for (scene, generator), rows in groups.items()
    ]
    return render("trajectories.html", groups=listed, left_out=len(report.routes) - len(shown))


def _chosen(routes: list[Route]) -> list[Route]:
    """At most 72 trajectories: those with rejected clips first, the others spread evenly."""
    bad = [route for route in routes if route.rejected][:_MAX_ROUTES]
    good = [route for route in routes if not route.rejected]
    room = min(_MAX_ROUTES - len(bad), len(good))
    picked = [good[i] for i in np.linspace(0, len(good) - 1, room).round().astype(int)]
    order = {route.episode.id: n for n, route in enumerate(routes)}
    return sorted(
        bad + picked,
        key=lambda r: (
            r.episode.scene.id,
            r.episode.generator,
            not r.rejected,
            order[r.episode.id],
        ),
    )


def _row(route: Route, report: Report) -> dict:
    fps = route.episode.fps
    spans = [(clip["start"] / fps, (clip["stop"] - 1) / fps) for clip in route.rejected]
    limits = {rule.metric: rule.at_most for rule in report.rules if math.isfinite(rule.at_most)}
    t_s = route.frames["t_s"].to_numpy()
    curves = [
        charts.timeline(
            t_s,
            route.frames[column].to_numpy(dtype=np.float64),
            label=label,
            bound=limits.get(limit, math.inf),
            spans=spans,
        )
        for column, label, limit in _TIMELINES
    ]
    gap_s = float(route.frames["revisit_gap_s"].to_numpy().max())
    return {
        "id": route.episode.id,
        "strip": pictures.strip(route.episode),
        "seconds": route.duration_s,
        "metres": route.length_m,
        "clearance": float(route.episode.info["clearance_m"]),
        "revisit": gap_s,
        "curves": curves,
        "rejected": bool(route.rejected),
        "clips": [
            {
                "keep": clip["keep"],
                "reasons": clip["reject_reasons"],
                "from_s": clip["start"] / fps,
                "to_s": (clip["stop"] - 1) / fps,
                "caption": clip["caption"],
                "note": report.notes.get(clip["clip_id"], ""),
            }
            for clip in route.clips
        ],
    }


def _measurements(report: Report) -> str:
    names = list(dict.fromkeys(rule.metric for rule in report.rules))
    names += ["revisit_share", "action_entropy_bits"]
    panels = [
        {
            "about": ABOUT[name],
            "unit": UNITS[name],
            "chart": _histogram(report, name),
            "bounds": ", ".join(_bounds(rule) for rule in report.rules if rule.metric == name),
            "median": f"{np.median(report.values(name)):.3g}",
        }
        for name in names
        if len(report.values(name))
    ]
    return render("measurements.html", panels=panels) if panels else ""


def _histogram(report: Report, metric: str, width: int = 260) -> Markup | str:
    if not len(report.values(metric)):
        return ""
    bounds = [
        bound
        for rule in report.rules
        if rule.metric == metric
        for bound in (rule.at_least, rule.at_most)
        if math.isfinite(bound)
    ]
    values = report.values(metric, True), report.values(metric, False)
    return charts.histogram(*values, bounds, width)


def _bounds(rule: Rule) -> str:
    unit = UNITS[rule.metric]
    if rule.at_least == rule.at_most:
        return f"= {rule.at_least:g} {unit}".strip()
    parts = [f"≥ {rule.at_least:g}"] if math.isfinite(rule.at_least) else []
    parts += [f"≤ {rule.at_most:g}"] if math.isfinite(rule.at_most) else []
    return f"{' and '.join(parts)} {unit}".strip()


def _kinds(report: Report) -> dict[str, int]:
    """Generator -> its colour."""
    names = sorted({route.episode.generator for route in report.routes})
    return {name: number % _COLOURS for number, name in enumerate(names)}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
