"""The light of a world, as scenes write it down: sun, sky, exposure, lamps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Lamp:
    """A small light whose light is baked, shadows included.

    Attributes:
        position_m: [3], in open air (a shade around it casts its shadow).
        rgb: Linear; the light that a surface at one metre facing the lamp gets.
        reach_m: Beyond this it is ignored.
    """

    position_m: tuple[float, float, float]
    rgb: tuple[float, float, float]
    reach_m: float = 6.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Lighting:
    """Sun, sky and exposure. Colours are linear.

    Attributes:
        to_sun: Unit vector toward the sun.
        sun_rgb: Light of the sun on a surface that faces it.
        zenith_rgb: Sky overhead.
        horizon_rgb: Sky at the horizon; also the colour of the haze.
        ground_rgb: Light from below the horizon.
        cloudiness: 0 clear .. 1 overcast.
        fill_rgb: Light that stands for the bounces that are not traced; nearby surfaces dim it.
        exposure: Multiplies all light before the tone curve.
        haze_m: Distance at which 63 % of the light is haze; infinity for none.
        cell_m: Vertices in one cell of this size that face the same way share their baked light;
            0 bakes each for itself. Large worlds of small things need it.
        shadow_px: Side of the shadow map.
        seed: Of the clouds.
    """

    to_sun: tuple[float, float, float] = (0.45, -0.6, 0.66)
    sun_rgb: tuple[float, float, float] = (3.2, 2.85, 2.3)
    zenith_rgb: tuple[float, float, float] = (0.22, 0.42, 0.85)
    horizon_rgb: tuple[float, float, float] = (0.75, 0.85, 0.95)
    ground_rgb: tuple[float, float, float] = (0.2, 0.18, 0.15)
    cloudiness: float = 0.5
    fill_rgb: tuple[float, float, float] = (0.1, 0.1, 0.1)
    exposure: float = 1.0
    haze_m: float = float("inf")
    cell_m: float = 0.0
    shadow_px: int = 2048
    seed: int = 0
