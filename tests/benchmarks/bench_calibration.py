"""How well each rule finds its defect: recall at rising strength, false alarms, precision.

    PYTHONPATH=tests python tests/benchmarks/bench_calibration.py data/demo [--clips 12]

Takes clips that are kept from a dataset (`make demo` renders one) and some of a closed-form box
room, plants each defect of `defects` at rising strength, measures and judges again. A defect counts
as found if one of the rules that are made for it rejects. Precision: of as many clean as spoilt
clips, with the last strength but one, the share of the rejected ones that were spoilt.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import defects
import numpy as np
import pyarrow.parquet as pq
from box_room import BOX_NAMES, box_plan, box_scene, render_box
from defects import Defect, Held

from capture import actions
from capture.camera import Intrinsics
from capture.episode import Episode
from curation import clips, decide, measure, motion
from curation.filters import RULES, judge

PATHS = (
    Defect(
        name="too fast",
        rules=("too fast",),
        unit="m/s",
        strengths=(3, 5, 7, 10),
        plant=defects.too_fast,
    ),
    Defect(
        name="pan burst",
        rules=("whip pan",),
        unit="deg/s",
        strengths=(30, 60, 120, 200),
        plant=defects.whip_pan,
    ),
    Defect(
        name="sudden turn",
        rules=("abrupt turn",),
        unit="deg/s",
        strengths=(5, 10, 30, 60),
        plant=defects.abrupt_turn,
    ),
    Defect(
        name="stop and go",
        rules=("uneven motion",),
        unit="m/s",
        strengths=(0.1, 0.2, 0.5, 1.0),
        plant=defects.uneven,
    ),
    Defect(
        name="stands still",
        rules=("stands still",),
        unit="share",
        strengths=(0.5, 0.7, 0.85, 1.0),
        plant=defects.still,
    ),
    Defect(name="jump", rules=("jump",), unit="m", strengths=(0.1, 0.3, 1, 2), plant=defects.jump),
    Defect(
        name="repeated poses",
        rules=("stutter",),
        unit="poses",
        strengths=(1, 2, 3, 4),
        plant=defects.stutter,
    ),
    Defect(
        name="position noise",
        rules=("shaky position",),
        unit="mm",
        strengths=(1, 2, 5, 20),
        plant=defects.shaky_position,
    ),
    Defect(
        name="rotation noise",
        rules=("shaky view",),
        unit="deg",
        strengths=(0.05, 0.1, 0.5, 1),
        plant=defects.shaky_view,
    ),
    Defect(
        name="swings, 3 deg",
        rules=("swinging view",),
        unit="Hz",
        strengths=(0.25, 0.5, 1.5, 3),
        plant=defects.swinging,
    ),
    Defect(
        name="sways, 3 cm",
        rules=("swaying position",),
        unit="Hz",
        strengths=(0.25, 0.5, 1.5, 3),
        plant=defects.swaying,
    ),
)
PICTURES = (
    Defect(
        name="something at 20 cm",
        rules=("against a surface",),
        unit="of width",
        strengths=(0.1, 0.2, 0.4, 0.8),
        plant=defects.plate,
    ),
    Defect(
        name="wall across the way",
        rules=("through a surface",),
        unit="",
        strengths=(1, 1),
        plant=defects.wall,
    ),
    Defect(
        name="dark",
        rules=("too dark", "under-lit"),
        unit="gain",
        strengths=(0.8, 0.4, 0.15, 0.05),
        plant=defects.gain,
    ),
    Defect(
        name="bright",
        rules=("too bright", "over-exposed"),
        unit="gain",
        strengths=(1.2, 1.5, 3, 6),
        plant=defects.gain,
    ),
    Defect(
        name="black frames",
        rules=("black frames",),
        unit="frames",
        strengths=(1, 2, 4),
        plant=defects.black,
    ),
    Defect(
        name="flicker",
        rules=("flicker",),
        unit="levels",
        strengths=(1, 3, 8, 16),
        plant=defects.flicker,
    ),
    Defect(
        name="frozen frames",
        rules=("frozen frames",),
        unit="frames",
        strengths=(1, 2, 4),
        plant=defects.frozen,
    ),
    Defect(
        name="blur",
        rules=("blurred",),
        unit="px",
        strengths=(0.5, 1, 2, 4),
        plant=defects.blurred,
    ),
    Defect(
        name="textures load",
        rules=("textures load",),
        unit="px",
        strengths=(0.5, 1, 3, 6),
        plant=defects.loading,
    ),
    Defect(
        name="pink material",
        rules=("missing material",),
        unit="share",
        strengths=(0.002, 0.005, 0.03, 0.1),
        plant=defects.magenta,
    ),
    Defect(
        name="grey checkerboard",
        rules=("default material",),
        unit="share",
        strengths=(0.03, 0.1, 0.3, 0.6),
        plant=defects.default_material,
    ),
    Defect(
        name="hole in the ground",
        rules=("holes",),
        unit="share",
        strengths=(0.002, 0.005, 0.03, 0.1),
        plant=defects.hole,
    ),
    Defect(
        name="a thing disappears",
        rules=("popping",),
        unit="share",
        strengths=(0.002, 0.005, 0.03, 0.1),
        plant=defects.popping,
    ),
    Defect(
        name="pictures late",
        rules=("out of step", "pose and depth disagree"),
        unit="frames",
        strengths=(1, 2),
        plant=defects.late,
    ),
    Defect(
        name="depth scaled",
        rules=("pose and depth disagree",),
        unit="factor",
        strengths=(1.01, 1.03, 1.2, 2),
        plant=defects.scaled,
    ),
    Defect(
        name="reported elsewhere",
        rules=("wrong position",),
        unit="mm",
        strengths=(2, 8, 20, 100),
        plant=defects.wrong_position,
    ),
    Defect(
        name="reported turned",
        rules=("wrong direction",),
        unit="deg",
        strengths=(0.02, 0.08, 0.2, 1),
        plant=defects.wrong_direction,
    ),
    Defect(
        name="left and right swapped",
        rules=("wrong labels",),
        unit="share",
        strengths=(0.05, 0.5, 1),
        plant=defects.swapped_labels,
    ),
)


def main() -> None:
    """Print one line per defect."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--only", default="", help="part of a defect's name")
    chosen = parser.parse_args()
    held = [*_of_dataset(chosen.dataset, chosen.clips), *_of_box()]
    clean = [_row(clip) for clip in held]
    _print_clean(clean)
    print(f"{'defect':24}{'clips':>6}  recall at each strength; false alarms; precision")
    for defect in (*PATHS, *PICTURES):
        if chosen.only in defect.name:
            print(_line(defect, held, clean))


def _line(defect: Defect, held: list[Held], clean: list[dict]) -> str:
    rules = [rule for rule in RULES if rule.name in defect.rules]
    metrics = {rule.metric for rule in rules}
    alarms = float(np.mean([not judge(row, rules).keep for row in clean]))
    recalls, said, count = [], [], 0
    for strength in defect.strengths:
        spoilt = [(clip, row) for clip, row in zip(held, clean, strict=True)]
        rows = [_spoilt(defect, clip, row, strength) for clip, row in spoilt]
        rows = [row for row in rows if row is not None]
        count = len(rows)
        found = [not judge(row, rules).keep for row in rows]
        recalls.append(float(np.mean(found)) if found else np.nan)
        middle = {m: np.nanmedian([row[m] for row in rows]) if rows else np.nan for m in metrics}
        said.append(" ".join(f"{value:.3g}" for _, value in sorted(middle.items())))
    table = ", ".join(
        f"{s:g}: {100 * r:.0f} % [{m}]"
        for s, r, m in zip(defect.strengths, recalls, said, strict=True)
    )
    precision = recalls[-2] / max(recalls[-2] + alarms, 1e-9)
    return (
        f"{defect.name:24}{count:>6}  {defect.unit} {table}; {100 * alarms:.0f} %; "
        f"{100 * precision:.0f} %"
    )


def _spoilt(defect: Defect, clip: Held, row: Mapping, strength: float) -> Mapping | None:
    spoilt = defect.plant(clip, strength)
    if spoilt is None:
        return None
    # Only the path has changed: the pixels need not be measured again.
    return {**row, **motion.summary(spoilt.trajectory)} if defect in PATHS else _row(spoilt)


def _row(clip: Held) -> dict:
    """The clip's metrics, as one candidate of all its frames."""
    frames = {name: np.asarray(v, dtype=_kind(v)) for name, v in measure.measure(clip).items()}
    return clips.row(clip, frames, 0, len(clip))


def _kind(values: object) -> type | None:
    return object if isinstance(values, list) else None


def _print_clean(rows: list[dict]) -> None:
    print(f"{len(rows)} clean clips; rejected of these: ", end="")
    reasons = [reason for row in rows for reason in judge(row).reasons]
    print(f"{sum(not judge(row).keep for row in rows)} {reasons}")


def _of_dataset(dataset: Path, count: int) -> Iterator[Held]:
    kept = {
        row["clip_id"]: row
        for row in pq.read_table(dataset / "clips.parquet").to_pylist()
        if row["keep"]
    }
    rows = [row for row in decide.measured(dataset) if row["clip_id"] in kept]
    for n in np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int):
        episode = Episode.load(dataset / "episodes" / rows[n]["plan_id"])
        yield Held.of(episode, rows[n]["start"], rows[n]["stop"])


def _of_box() -> Iterator[Held]:
    for seed, kind in enumerate(("pan", "out_and_back", "loop")):
        plan = box_plan(kind, seed, num_frames=81)
        k = Intrinsics.from_fov(224, 128, 80.0)
        poses = plan.trajectory.cam_to_world
        rgb, depth, mask = map(np.stack, zip(*(render_box(p, k) for p in poses), strict=True))
        labels = actions.encode(poses)
        info = {
            "plan_id": plan.id,
            "generator": kind,
            "fps": plan.fps,
            "num_frames": len(poses),
            "clearance_m": plan.clearance_m,
            "step_m": labels.step_m,
            "intrinsics": {name: getattr(k, name) for name in Intrinsics.__slots__},
            "scene": box_scene(seed).to_json(),
            "mask_names": BOX_NAMES,
        }
        yield Held(
            path=Path(kind),
            info=info,
            rgb=rgb,
            depth=depth,
            objects=mask,
            poses=poses,
            reported=poses,
            labels=labels,
        )


if __name__ == "__main__":
    main()
