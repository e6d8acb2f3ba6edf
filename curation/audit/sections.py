"""The sections of the report about a dataset of ours."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from capture.actions import NAMES
from capture.schedule import SPEEDS
from curation import split
from curation.audit import banner, charts, numbers, pictures
from curation.audit.data import Report, Route
from curation.audit.pictures import Album
from curation.catalogue import ABOUT, UNITS
from curation.geometry import LAGS
from curation.rules import Rule

# More paths on one map hide each other.
_MAX_PATHS = 60
_KINDS = 6  # of paths that the map and the style sheet can tell apart
_SPEEDS = [
    f"{name}, up to {edge:g} m/s" if math.isfinite(edge) else f"{name}, faster"
    for name, edge in SPEEDS.items()
]
_PAIRS = (
    ("dolly_out", "dolly_in"),
    ("truck_left", "truck_right"),
    ("pedestal_down", "pedestal_up"),
    ("tilt_down", "tilt_up"),
    ("pan_left", "pan_right"),
    ("roll_ccw", "roll_cw"),
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


def build(report: Report, album: Album, table: str = "") -> list[Section]:
    """All sections that have something to say, in reading order.

    Args:
        report: What to show.
        album: Where pictures go.
        table: The section with the table of clips, if the page has one.
    """
    parts = [
        Section("Agreement", _agreement(report)),
        Section("Verdicts", _verdicts(report)),
        Section("Clips", table),
        Section("Measurements", _measurements(report)),
        Section("Actions", _actions(report)),
        Section("Scenes", _scenes(report, album)),
        Section("Splits", _splits(report)),
        Section("Shards", render("shards.html", shards=report.shards)),
        Section("Problems", render("problems.html", problems=report.problems)),
    ]
    return [part for part in parts if part.html.strip()]


def summary_line(report: Report) -> str:
    """How much there is, in one line."""
    frames = sum(route.num_frames for route in report.routes)
    minutes = sum(route.duration_s for route in report.routes) / 60
    sizes = sorted({route.size_px for route in report.routes})
    rates = sorted({route.fps for route in report.routes})
    return " · ".join(
        [
            _count(len(report.routes), "trajectory", "trajectories"),
            _count(len(report.clips), "clip", "clips"),
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
    told = np.isfinite(errors).all()
    said = report.convention
    return render(
        "agreement.html",
        found=found,
        clips=len(report.clips),
        kept=sum(clip["keep"] for clip in report.clips),
        said=said,
        sentence=banner.sentence(said),
        figures=banner.figures(said),
        rows=banner.rows(said),
        lag=LAGS[int(np.argmin(errors))] if told else None,
        curve=charts.lag_curve(LAGS, errors) if told else "",
        inliers=_histogram(report, "geometry_inlier", width=540),
        raw=all(clip["raw_pixels"] for clip in report.clips),
    )


def _verdicts(report: Report) -> str:
    kept = sum(clip["keep"] for clip in report.clips)
    train = sum(clip["keep"] and clip["split"] == split.TRAIN for clip in report.clips)
    return render(
        "verdicts.html",
        total=len(report.clips),
        kept=kept,
        train=train,
        routes=len(report.routes),
        funnel=[{**step, "about": ""} for step in numbers.funnel(numbers.causes(report))],
        examples=[clip for clip in report.clips if clip["keep"]][:: max(1, kept // 5)][:5],
        rules=[(rule.name, ABOUT[rule.metric], _bounds(rule)) for rule in report.rules],
    )


def _measurements(report: Report) -> str:
    names = list(dict.fromkeys(rule.metric for rule in report.rules))
    names += [name for name in ("revisit_share", "action_entropy_bits") if name not in names]
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


def _actions(report: Report) -> str:
    if not report.clips:
        return ""
    shares: dict[str, float] = dict(zip(NAMES, numbers.action_shares(report).tolist(), strict=True))
    pairs = [(_words(a), shares[a], _words(b), shares[b]) for a, b in _PAIRS]
    counts = numbers.balance(report)
    return render(
        "actions.html",
        chart=charts.butterfly(pairs),
        static=shares["static"],
        sum=sum(shares.values()),
        entropy=float(np.mean(report.values("action_entropy_bits"))),
        balance=charts.heat(
            counts / max(counts.sum(), 1), [_words(name) for name in NAMES], _SPEEDS
        ),
    )


def _scenes(report: Report, album: Album) -> str:
    kinds = {
        name: number % _KINDS
        for number, name in enumerate(sorted({route.generator for route in report.routes}))
    }
    routes: dict[str, list[Route]] = {}
    for route in report.routes:
        routes.setdefault(route.scene_id, []).append(route)
    cards = [
        _card(report.path / "scenes", scene_id, card, routes.get(scene_id, []), kinds, album)
        for scene_id, card in sorted(report.scenes.items())
    ]
    legend = [(_words(name), number) for name, number in kinds.items()]
    return render("scenes.html", cards=cards, legend=legend) if cards else ""


def _card(
    folder: Path,
    scene_id: str,
    card: dict,
    routes: Sequence[Route],
    kinds: dict[str, int],
    album: Album,
) -> dict:
    plan, picture, bounds = card.get("map"), card.get("picture"), card["bounds_m"]
    extent = plan["extent_m"] if plan else (bounds[0], bounds[3], bounds[1], bounds[4])
    ground = pictures.from_file(folder / plan["image"]) if plan else None
    view = pictures.from_file(folder / picture, 832) if picture else None
    paths = [(r.path_m, kinds[r.generator]) for r in routes[:: -(-len(routes) // _MAX_PATHS) or 1]]
    drawn = charts.plan_view(extent, paths, pictures.inline(ground, ".jpg") if ground else None)
    clips = [clip for route in routes for clip in route.clips]
    return {
        "id": scene_id,
        "setting": card.get("setting") or card["name"],
        "light": card.get("light", ""),
        "places": [place["name"] for place in card.get("places", ())],
        "split": ", ".join(sorted({clip["split"] for clip in clips})),
        "routes": len(routes),
        "paths": len(paths),
        "clips": len(clips),
        "kept": sum(clip["keep"] for clip in clips),
        "metres": sum(route.length_m for route in routes),
        "size": f"{bounds[3] - bounds[0]:.0f} x {bounds[4] - bounds[1]:.0f} m",
        "picture": album(view, ".jpg") if view else None,
        "map": album(drawn, ".svg"),
    }


def _splits(report: Report) -> str:
    found = numbers.splits(report)
    pairs = [(route, clip) for route in report.routes for clip in route.clips]
    leaks = split.leaks([{**clip, "scene_id": route.scene_id} for route, clip in pairs])
    return render("splits.html", splits=found, leaks=leaks, twins=_twins(report)) if found else ""


def _twins(report: Report) -> list[tuple[str, str]]:
    """Scenes that look the same on their cards, but are in different splits."""
    sides = {route.scene_id: clip["split"] for route in report.routes for clip in route.clips}
    return [
        pair for pair in split.twins(report.scenes) if len({sides.get(scene) for scene in pair}) > 1
    ]


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
    return charts.histogram(*values, bounds, width, metric)


def _bounds(rule: Rule) -> str:
    unit = UNITS[rule.metric]
    if rule.at_least == rule.at_most:
        return f"= {rule.at_least:g} {unit}".strip()
    parts = [f"≥ {rule.at_least:g}"] if math.isfinite(rule.at_least) else []
    parts += [f"≤ {rule.at_most:g}"] if math.isfinite(rule.at_most) else []
    return f"{' and '.join(parts)} {unit}".strip()


def _words(name: str) -> str:
    return name.replace("_", " ")


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
