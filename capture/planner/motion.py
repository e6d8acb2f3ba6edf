"""How a camera moves: speeds, soft starts and stops, slow noise, an unsteady hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from capture import camera
from capture.navigation import FreeSpace

# No plan turns faster: RELIC rejects excessive panning (sec. 3), curation at this rate.
MAX_TURN_DEG_S = 90.0
# A smoothed heading turns at most this much faster than a deliberate turn, and changes its rate by
# no more than this: half of what curation calls abrupt.
_TURN_MARGIN = 1.4
_MAX_TURN_CHANGE_DEG_S2 = 200.0
# Turning by one radian takes as long as walking this far: a walk of v m/s turns by at most
# v / 1.2 rad/s, even where the way doubles back on itself.
TURN_M = 1.2
# A course is rounded over about this length, so that the pace changes gently.
CORNER_M = 0.35
_SWAY_S, _TREMOR_S, _TREMOR_SHARE = 0.9, 0.15, 0.12


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """How the camera moves.

    Attributes:
        fps: Frames per second.
        walk_m_s: Slowest and fastest walking speed; nothing moves faster.
        pan_deg_s: Slowest and fastest deliberate turn; glances come on top, up to `MAX_TURN_DEG_S`.
        min_clearance_m: No pose comes closer to a surface.
        hand_deg: Size of the slow sway of a hand-held camera about its path, root mean square; 0 is
            a camera on rails. Only the view sways: a position that shakes by millimetres would turn
            into the unit of length of a clip that otherwise stands still (RELIC eq. 1).
    """

    fps: float = 16.0
    walk_m_s: tuple[float, float] = (0.7, 1.4)
    pan_deg_s: tuple[float, float] = (15.0, 45.0)
    min_clearance_m: float = 0.3
    hand_deg: float = 0.0

    def __post_init__(self):
        if not self.fps > 0:
            raise ValueError(f"fps must be positive, got {self.fps}")
        for name in ("walk_m_s", "pan_deg_s"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} needs 0 < slowest <= fastest, got {(low, high)}")
        if self.pan_deg_s[1] * _TURN_MARGIN > MAX_TURN_DEG_S:
            raise ValueError(
                f"pan_deg_s: {self.pan_deg_s[1]:g} deg/s leaves no room for glances below "
                f"{MAX_TURN_DEG_S:g} deg/s; at most {MAX_TURN_DEG_S / _TURN_MARGIN:.0f} deg/s"
            )
        if not 0 <= self.hand_deg <= 1:
            raise ValueError(f"hand_deg lies between 0 and 1 degree, got {self.hand_deg}")


# (free space, random numbers, number of frames, motion) -> poses [T, 4, 4], or None: try again.
Make = Callable[[FreeSpace, np.random.Generator, int, Motion], np.ndarray | None]


def ease(t: np.ndarray) -> np.ndarray:
    """Minimum-jerk blend from 0 to 1."""
    return t**3 * (10 - 15 * t + 6 * t * t)


def noise(rng: np.random.Generator, num_frames: int, fps: float, sigma_s: float = 0.9):
    """Smooth noise [T] of about unit size that changes over `sigma_s` seconds."""
    sigma = sigma_s * fps
    white = rng.standard_normal(num_frames + 8 * int(sigma))
    smooth = gaussian_filter1d(white, sigma)[4 * int(sigma) :][:num_frames]
    return smooth * np.sqrt(2 * sigma * np.sqrt(np.pi))


def periodic_noise(rng: np.random.Generator, period: int, fps: float) -> np.ndarray:
    """The same with a period: entry [period] would equal entry [0]."""
    sigma = min(0.9 * fps, period / 8)
    smooth = gaussian_filter1d(rng.standard_normal(period), sigma, mode="wrap")
    return smooth * np.sqrt(2 * sigma * np.sqrt(np.pi))


def rest_to_rest(num_frames: int, fps: float) -> np.ndarray:
    """Pace [T] from 0 at the first frame to 1 within half a second, and back to 0 at the last."""
    ramp = np.minimum(np.arange(num_frames), np.arange(num_frames)[::-1]) / (0.5 * fps)
    return ease(np.minimum(ramp, 1.0))


def speed_profile(rng: np.random.Generator, num_frames: int, motion: Motion) -> np.ndarray:
    """Metres per step [T]: starts and ends at rest, varies slowly in between."""
    speed = rng.uniform(*motion.walk_m_s) * (1.0 + 0.2 * noise(rng, num_frames, motion.fps))
    pace = rest_to_rest(num_frames, motion.fps)
    return np.clip(speed, 0.2, motion.walk_m_s[1]) * pace / motion.fps


def effort_m(step_m: np.ndarray, turn_deg: np.ndarray) -> np.ndarray:
    """How far each step of a way is in metres of walking straight on, its turn included."""
    return step_m + TURN_M * np.radians(np.abs(turn_deg))


def direction_deg(positions: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """Heading from each position to the point ahead of it, without jumps of 360."""
    d = ahead - positions
    return np.degrees(np.unwrap(np.arctan2(d[:, 1], d[:, 0])))


def steady(
    heading_deg: np.ndarray, motion: Motion, turned_deg: float | None = None
) -> np.ndarray | None:
    """Smooth a heading [T] until neither its rate nor the change of its rate is abrupt.

    Args:
        heading_deg: Without jumps of 360.
        motion: The fastest deliberate turn.
        turned_deg: For a round that is walked again: by how much entry [T] would exceed entry [0].

    Returns:
        The heading, or None where half a second of smoothing is not enough.
    """
    fastest = _TURN_MARGIN * motion.pan_deg_s[1] / motion.fps
    change = _MAX_TURN_CHANGE_DEG_S2 / motion.fps**2
    ramp = (turned_deg or 0.0) * np.arange(len(heading_deg)) / len(heading_deg)
    # Reflected, so that the smoothed heading is at rest where the path begins and ends.
    mode = "reflect" if turned_deg is None else "wrap"
    for sigma_s in (0.1, 0.17, 0.25, 0.35, 0.5):
        heading = ramp + gaussian_filter1d(heading_deg - ramp, sigma_s * motion.fps, mode=mode)
        seam = [] if turned_deg is None else heading[:2] + turned_deg
        rate = np.diff(np.concatenate([heading, seam]))
        if (
            np.abs(rate).max(initial=0.0) <= fastest
            and np.abs(np.diff(rate)).max(initial=0.0) <= change
        ):
            return heading
    return None


def turn_frames(angle_deg: float, peak_deg_s: float, fps: float) -> int:
    """Frames that an eased turn of this angle takes, so that it neither peaks higher nor jolts.

    `ease` has a slope of at most 1.9 and a curvature of at most 5.8.
    """
    angle_deg = abs(angle_deg)
    seconds = max(1.9 * angle_deg / peak_deg_s, np.sqrt(5.8 * angle_deg / _MAX_TURN_CHANGE_DEG_S2))
    return max(int(seconds * fps), 4)


def hand_held(poses: np.ndarray, rng: np.random.Generator, motion: Motion) -> np.ndarray:
    """The poses [T, 4, 4] as a hand would hold them: `hand_deg` of sway, an eighth of tremor.

    Slow enough for curation's limit of jitter and of swinging views, and for pauses to stay static.
    """
    sway = [noise(rng, len(poses), motion.fps, _SWAY_S) for _ in range(3)]
    tremor = [noise(rng, len(poses), motion.fps, _TREMOR_S) for _ in range(3)]
    pan, tilt, roll = motion.hand_deg * (np.array(sway) + _TREMOR_SHARE * np.array(tremor))
    shake = camera.unreal_axes(tilt, pan, 0.5 * roll)
    return camera.pose_from_axes(poses[:, :3, 3], shake @ camera.ego_axes(poses))
