"""Small drawings as SVG text. Colours come from the page's style sheet, by class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from markupsafe import Markup

_BINS = 44


def histogram(
    kept: np.ndarray, rejected: np.ndarray, bounds: Sequence[float], width: int = 320
) -> Markup:
    """Stacked counts of kept and rejected clips, with the bounds that decide.

    Args:
        kept: Values of the kept clips.
        rejected: Values of the rejected clips; one of the two must not be empty.
        bounds: Where rules reject. The axis reaches to them, so that distance from them shows.
        width: Of the picture; the height is 92.
    """
    height, base = 92, 70
    everything = np.concatenate([kept, rejected, bounds])
    low, high = float(everything.min()), float(everything.max())
    if high - low < 1e-9 * max(abs(high), 1.0):
        low, high = low - 0.5, high + 0.5
    pad = (high - low) / _BINS
    edges = np.linspace(low - pad, high + pad, _BINS + 1)
    counts = [np.histogram(part, edges)[0] for part in (kept, rejected)]
    top = max(int(np.sum(counts, axis=0).max()), 1)
    step = width / _BINS
    shapes = []
    for k in range(_BINS):
        y = float(base)
        for count, kind in zip((counts[0][k], counts[1][k]), ("keep", "reject"), strict=True):
            tall = 58.0 * count / top
            y -= tall
            if count:
                tip = f"{_short(edges[k])} to {_short(edges[k + 1])}: {count} {kind}"
                shapes.append(_rect(k * step + 0.5, y, step - 1, tall, kind, tip))
    shapes.append(f'<line class="axis" x1="0" y1="{base}" x2="{width}" y2="{base}"/>')
    for bound in bounds:
        x = (bound - edges[0]) / (edges[-1] - edges[0]) * width
        shapes.append(f'<line class="bound" x1="{x:.1f}" y1="4" x2="{x:.1f}" y2="{base}"/>')
    shapes.append(_text(0, 86, _short(low)))
    shapes.append(_text(width, 86, _short(high), "end"))
    return _svg(width, height, shapes)


def lag_curve(lags: Sequence[int], errors: np.ndarray, width: int = 540) -> Markup:
    """Photometric error over lag; the lowest point is marked."""
    height, base = 130, 104
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


def butterfly(pairs: Sequence[tuple[str, float, str, float]], width: int = 640) -> Markup:
    """Opposite actions side by side: (left name, share, right name, share) per line."""
    middle, reach, line = width / 2, width / 2 - 150, 30
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


def timeline(
    t_s: np.ndarray,
    values: np.ndarray,
    *,
    label: str,
    bound: float = math.inf,
    spans: Sequence[tuple[float, float]] = (),
    width: int = 340,
) -> Markup:
    """A curve over time, with the bound above it and the rejected time spans behind it."""
    height, base = 74, 54
    finite = np.isfinite(values)
    t, y = t_s[finite], values[finite]
    top = max(float(y.max(initial=0.0)) * 1.08, 1e-9)
    if bound < 1.6 * top:
        top = max(top, bound * 1.08)
    across = width / max(float(t_s[-1] - t_s[0]), 1e-9)
    shapes = [
        _rect((a - t_s[0]) * across, 14, max((b - a) * across, 1), base - 14, "span", "rejected")
        for a, b in spans
    ]
    points = " ".join(
        f"{(s - t_s[0]) * across:.1f},{base - 40 * v / top:.1f}" for s, v in zip(t, y, strict=True)
    )
    shapes.append(f'<polyline class="line" points="{points}"/>')
    if bound < top:
        level = base - 40 * bound / top
        shapes.append(
            f'<line class="bound" x1="0" y1="{level:.1f}" x2="{width}" y2="{level:.1f}"/>'
        )
    shapes.append(f'<line class="axis" x1="0" y1="{base}" x2="{width}" y2="{base}"/>')
    shapes.append(_text(0, 10, label))
    shapes.append(_text(width, 10, f"max {_short(float(y.max(initial=0.0)))}", "end"))
    shapes.append(_text(width, 69, f"{t_s[-1] - t_s[0]:.1f} s", "end"))
    return _svg(width, height, shapes)


def curve(x: np.ndarray, y: np.ndarray, *, x_label: str, y_label: str, width: int = 640) -> Markup:
    """A curve from zero up, with its highest and last value."""
    height, base, top = 200, 176, float(np.max(y)) or 1.0
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


def plan_view(
    extent_m: Sequence[float],
    paths: Sequence[tuple[np.ndarray, str, str]],
    image: str | None = None,
) -> Markup:
    """Paths from above, +x to the right and +y up, over a map if there is one.

    Args:
        extent_m: x_min, x_max, y_min, y_max of the picture.
        paths: (positions [T, 2] in metres, class, what to say) of each trajectory.
        image: The map as a data URI.
    """
    x_min, x_max, y_min, y_max = extent_m
    scale = 1000 / max(x_max - x_min, y_max - y_min)
    width, height = (x_max - x_min) * scale, (y_max - y_min) * scale
    shapes = [f'<rect class="ground" width="{width:.1f}" height="{height:.1f}"/>']
    if image:
        shapes.append(
            f'<image href="{image}" width="{width:.1f}" height="{height:.1f}" '
            'preserveAspectRatio="none"/>'
        )
    for xy, kind, tip in paths:
        at = np.stack([(xy[:, 0] - x_min) * scale, (y_max - xy[:, 1]) * scale], -1)
        # A point every five centimetres on screen is enough.
        points = " ".join(f"{x:.0f},{y:.0f}" for x, y in at[:: max(1, len(at) // 120)])
        shapes.append(
            f'<g class="route"><title>{escape(tip)}</title>'
            f'<polyline class="casing" points="{points}"/>'
            f'<polyline class="{kind}" points="{points}"/>'
            f'<circle class="{kind} start" cx="{at[0, 0]:.0f}" cy="{at[0, 1]:.0f}" r="9"/></g>'
        )
    return _svg(width, height, shapes, "map")


def _svg(width: float, height: float, shapes: Sequence[str], kind: str = "chart") -> Markup:
    body = "".join(shapes)
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 {width:.0f} {height:.0f}" role="img">{body}</svg>'
    )


def _rect(x: float, y: float, width: float, height: float, kind: str, tip: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">'
        f"<title>{escape(tip)}</title></rect>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _short(value: float) -> str:
    return f"{0.0 if abs(value) < 5e-10 else value:.3g}"
