"""Small drawings as SVG text. Colours come from the page's style sheet, by class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from markupsafe import Markup

_BINS = 44
# Kinds of paths: a colour and a dash each, as the legend of the style sheet has them.
_KINDS = (
    ("#3c6e8f", "none"), ("#c4573a", "14 7"), ("#6f8f3c", "3 8"), ("#8a5a9e", "20 6 3 6"),
    ("#cf9a2b", "9 9"), ("#4f9d97", "28 8"),
)  # fmt: skip
_MAP_STYLE = (
    "polyline{fill:none;stroke-width:4;stroke-linecap:round;stroke-linejoin:round}"
    "polyline.casing{stroke:#fff;stroke-opacity:.75;stroke-width:8}"
    "circle{stroke:#fff;stroke-width:2.5}"
) + "".join(
    f"polyline.k{n}{{stroke:{colour};stroke-dasharray:{dash}}}circle.k{n}{{fill:{colour}}}"
    for n, (colour, dash) in enumerate(_KINDS)
)


def histogram(
    kept: np.ndarray,
    rejected: np.ndarray,
    bounds: Sequence[float],
    width: int = 320,
    metric: str = "",
) -> Markup:
    """Stacked counts of kept and rejected clips, with the bounds that decide.

    Args:
        kept: Values of the kept clips.
        rejected: Values of the rejected clips; one of the two must not be empty.
        bounds: Where rules reject. The axis reaches to them, so that distance from them shows.
        width: Of the picture; the height is 92.
        metric: Column of the table of clips; the page's script then shows the clips of a bar.
    """
    height, base = 92, 70
    values = np.concatenate([kept, rejected])
    edges = _edges(np.concatenate([values, bounds]))
    counts = [np.histogram(part, edges)[0] for part in (kept, rejected)]
    top, step = max(int(np.sum(counts, axis=0).max()), 1), width / _BINS
    shapes = []
    for k in np.flatnonzero(np.sum(counts, axis=0)):
        y, bars = float(base), []
        for count, kind in ((counts[0][k], "keep"), (counts[1][k], "reject")):
            tall = max(58.0 * count / top, 1.5) if count else 0.0  # one of thousands is seen too
            y -= tall
            if count:
                tip = f"{_short(edges[k])} to {_short(edges[k + 1])}: {count} {kind}"
                bars.append(_rect(k * step + 0.5, y, step - 1, tall, kind, tip))
        # The table has four digits of each value.
        held = values[(values >= edges[k]) & (values <= edges[k + 1])]
        low, high = _digits(held.min(), np.floor), _digits(held.max(), np.ceil)
        shapes.append(
            f'<g data-metric="{escape(metric)}" data-min="{low:g}" data-max="{high:g}">'
            f"{''.join(bars)}</g>"
        )
    shapes.append(f'<line class="axis" x1="0" y1="{base}" x2="{width}" y2="{base}"/>')
    for bound in bounds:
        x = (bound - edges[0]) / (edges[-1] - edges[0]) * width
        shapes.append(f'<line class="bound" x1="{x:.1f}" y1="4" x2="{x:.1f}" y2="{base}"/>')
    shapes.append(_text(0, 86, _short(edges[1])))
    shapes.append(_text(width, 86, _short(edges[-2]), "end"))
    return _svg(width, height, shapes)


def _edges(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9 * max(abs(high), 1.0):
        low, high = low - 0.5, high + 0.5
    pad = (high - low) / (_BINS - 2)  # an empty bin at either end
    return np.linspace(low - pad, high + pad, _BINS + 1)


def lag_curve(lags: Sequence[int], errors: np.ndarray) -> Markup:
    """Photometric error over lag; the lowest point is marked."""
    width, height, base = 540, 130, 104
    top = float(np.max(errors)) or 1.0
    xs = np.linspace(24, width - 24, len(lags))
    ys = base - 84 * errors / top
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    best = int(np.argmin(errors))
    shapes = [
        f'<line class="axis" x1="0" y1="{base}" x2="{width}" y2="{base}"/>',
        f'<polyline class="line" points="{line}"/>',
    ]
    for k, lag in enumerate(lags):
        kind = "best" if k == best else "dot"
        shapes.append(f'<circle class="{kind}" cx="{xs[k]:.1f}" cy="{ys[k]:.1f}" r="4.5"/>')
        shapes.append(_text(xs[k], 122, f"{lag:+d}" if lag else "0", "middle"))
        shapes.append(_text(xs[k], ys[k] - 11, f"{errors[k]:.2f}", "middle"))
    return _svg(width, height, shapes)


def butterfly(pairs: Sequence[tuple[str, float, str, float]]) -> Markup:
    """Opposite actions side by side: (left name, share, right name, share) per line."""
    width, middle, reach, line = 640, 320, 170, 30
    top = max(max(a, b) for _, a, _, b in pairs) or 1.0
    shapes = []
    for k, (left, a, right, b) in enumerate(pairs):
        y = k * line + 5
        for name, share, side in ((left, a, -1), (right, b, 1)):
            size = reach * share / top
            x = middle - size - 1 if side < 0 else middle + 1
            shapes.append(_rect(x, y, size, 18, "bar", f"{name}: {100 * share:.1f} % of frames"))
            end = middle + side * (size + 8)
            anchor = "end" if side < 0 else "start"
            shapes.append(_text(end, y + 13, f"{name}  {100 * share:.0f} %", anchor))
    shapes.append(
        f'<line class="axis" x1="{middle}" y1="0" x2="{middle}" y2="{line * len(pairs)}"/>'
    )
    return _svg(width, line * len(pairs) + 2, shapes)


def curve(x: np.ndarray, y: np.ndarray, *, x_label: str, y_label: str) -> Markup:
    """A curve from zero up, with its highest and last value."""
    width, height, base, top = 640, 200, 176, float(np.max(y)) or 1.0
    across = (width - 60) * (x - x[0]) / max(float(x[-1] - x[0]), 1e-9)
    points = " ".join(f"{a:.1f},{base - 150 * v / top:.1f}" for a, v in zip(across, y, strict=True))
    shapes = [
        f'<polyline class="line" points="{points}"/>',
        f'<line class="axis" x1="0" y1="{base}" x2="{width - 60}" y2="{base}"/>',
        _text(0, 12, f"{y_label} {_short(top)}"),
        _text(width - 54, base - 150 * float(y[-1]) / top + 4, _short(float(y[-1]))),
        _text(0, height - 8, f"{x_label} {x[0]:.0f}"),
        _text(width - 60, height - 8, f"{x[-1]:.0f}", "end"),
    ]
    return _svg(width, height, shapes)


def heat(shares: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> Markup:
    """A table of shares, each cell shaded by its share; the numbers stand in the cells.

    Args:
        shares: float64 [len(rows), len(columns)], in [0, 1].
        rows: Names.
        columns: Names.
    """
    top = float(shares.max()) or 1.0
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = []
    for name, values in zip(rows, shares, strict=True):
        cells = "".join(
            f'<td style="--share:{value / top:.3f}">{_percent(value)}</td>' for value in values
        )
        body.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return Markup(
        f'<table class="heat"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def plan_view(
    extent_m: Sequence[float], paths: Sequence[tuple[np.ndarray, int]], image: str | None = None
) -> bytes:
    """Paths from above, +x to the right and +y up, over a map if there is one: an SVG file.

    Args:
        extent_m: x_min, x_max, y_min, y_max of the picture.
        paths: (positions [P, 2] in metres, number of its kind in 0 to 5) of each trajectory.
        image: The map as a data URI.
    """
    x_min, x_max, y_min, y_max = extent_m
    scale = 1000 / max(x_max - x_min, y_max - y_min, 1e-9)
    width, height = (x_max - x_min) * scale, (y_max - y_min) * scale
    size = f'width="{width:.0f}" height="{height:.0f}"'
    shapes = [f'<rect {size} fill="#f0eee8"/>']
    if image:
        shapes.append(f'<image href="{image}" {size} preserveAspectRatio="none"/>')
    for points_m, kind in paths:
        at = np.stack([(points_m[:, 0] - x_min) * scale, (y_max - points_m[:, 1]) * scale], -1)
        points = " ".join(f"{x:.0f},{y:.0f}" for x, y in at)
        shapes.append(
            f'<polyline class="casing" points="{points}"/>'
            f'<polyline class="k{kind}" points="{points}"/>'
            f'<circle class="k{kind}" cx="{at[0, 0]:.0f}" cy="{at[0, 1]:.0f}" r="8"/>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width:.0f} {height:.0f}">'
        f"<style>{_MAP_STYLE}</style>{''.join(shapes)}</svg>\n"
    ).encode()


def _svg(width: float, height: float, shapes: Sequence[str]) -> Markup:
    body = "".join(shapes)
    return Markup(
        f'<svg class="chart" viewBox="0 0 {width:.0f} {height:.0f}" role="img">{body}</svg>'
    )


def _rect(x: float, y: float, width: float, height: float, kind: str, tip: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">'
        f"<title>{escape(tip)}</title></rect>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if share >= 0.0005 else "0" if share == 0 else "<0.1"


def _digits(value: float, whole: Callable[[float], float]) -> float:
    """Rounded up or down to four digits."""
    if value == 0:
        return 0.0
    scale = 10.0 ** (3 - math.floor(math.log10(abs(value))))
    return whole(value * scale) / scale


def _short(value: float) -> str:
    return f"{0.0 if abs(value) < 5e-10 else value:.3g}"
