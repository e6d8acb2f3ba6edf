"""Free space: how far every point is from any surface, and the shortest way between two of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csgraph, csr_array
from scipy.spatial import KDTree

# Larger triangles are split and culled first: a ground plane may reach the horizon.
_SPLIT_ABOVE_M = 4.0
# An elastic band is smoothed this often and this far, and pushed away from nearer surfaces.
_BAND_ROUNDS, _BAND_SIGMA_M, _COMFORT_M = 12, 0.15, 0.55
_ROUNDING_M = 0.4  # standard deviation of what rounds the corners of a way
_SURVEYED_M = 0.6  # a survey knows what is this far above and below it
_NEIGHBOURS = ((1, 0), (0, 1), (1, 1), (1, -1))
_COLUMN_M = 0.2  # side of the columns in which the ground is looked for
_TALLEST_M = 1e3


@dataclass(frozen=True, kw_only=True)
class FreeSpace:
    """Where a camera at one height may go.

    Attributes:
        surface: Tree over points on every surface, metres.
        height_m: Height of the grid above z = 0.
        height_range_m: Lowest and highest z between which the surfaces are known.
        origin_m: (x, y) of the centre of grid cell [0, 0].
        cell_m: Side of a grid cell.
        clearance_m: Distance from each cell's centre to the nearest surface, float64 [nx, ny].
        reachable: Cells that are connected to the spawn point with the wanted clearance [nx, ny].
        graph: Edges between reachable cells, weighted by length over comfort.
    """

    surface: KDTree
    height_m: float
    height_range_m: tuple[float, float]
    origin_m: np.ndarray
    cell_m: float
    clearance_m: np.ndarray
    reachable: np.ndarray
    graph: csr_array

    def clearance(self, points_m: np.ndarray) -> np.ndarray:
        """Distance in metres from points [..., 3] to the nearest surface."""
        return self.surface.query(points_m)[0]

    def is_clear(self, points_m: np.ndarray, min_clearance_m: float) -> np.ndarray:
        """Whether points [..., 3] have more than this clearance, bool [...]; quicker to ask."""
        return np.isinf(self.surface.query(points_m, distance_upper_bound=min_clearance_m)[0])

    def ground_m(self, points_m: np.ndarray) -> np.ndarray:
        """Height of the highest surface under each point [..., 3]; -inf where there is none."""
        low, shape, keys = self._columns
        cell = np.floor((points_m - low) / _COLUMN_M).astype(int)[..., :2]
        known = np.all((cell >= 0) & (cell < shape), axis=-1)
        column = (cell[..., 0] * shape[1] + cell[..., 1]) * _TALLEST_M
        last = np.searchsorted(keys, column + points_m[..., 2] - low[2], "right") - 1
        height = keys[np.maximum(last, 0)] - column
        return np.where(known & (last >= 0) & (height >= 0), height + low[2], -np.inf)

    @functools.cached_property
    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The lowest corner [3], columns in x and y [2], and one sorted number per surface point.

        The number is that of the point's column times `_TALLEST_M`, plus the height above the
        lowest corner.
        """
        points = self.surface.data
        low = points.min(0)
        cell = np.floor((points - low) / _COLUMN_M).astype(int)[:, :2]
        shape = cell.max(0) + 1
        column = cell[:, 0] * shape[1] + cell[:, 1]
        return low, shape, np.sort(column * _TALLEST_M + points[:, 2] - low[2])

    def cells(self, min_clearance_m: float = 0.0) -> np.ndarray:
        """Centres of the reachable cells with at least this clearance, float64 [N, 3]."""
        index = np.argwhere(self.reachable & (self.clearance_m >= min_clearance_m))
        return self._points(index)

    def path(self, start_m: np.ndarray, goal_m: np.ndarray) -> np.ndarray | None:
        """A smooth way between two points near reachable cells, float64 [N, 3], or None."""
        source, target = self._cell(start_m), self._cell(goal_m)
        _, before = csgraph.dijkstra(self.graph, indices=source, return_predecessors=True)
        if source != target and before[target] < 0:
            return None
        chain = [target]
        while chain[-1] != source:
            chain.append(int(before[chain[-1]]))
        index = np.stack(np.unravel_index(chain[::-1], self.reachable.shape), 1)
        return self._points(index)

    def contains(self, points_m: np.ndarray) -> np.ndarray:
        """Whether points [..., 3] stand over reachable cells, at whatever height, bool [...]."""
        index = np.round((points_m[..., :2] - self.origin_m) / self.cell_m).astype(int)
        inside = np.all((index >= 0) & (index < self.reachable.shape), axis=-1)
        i, j = np.moveaxis(np.where(inside[..., None], index, 0), -1, 0)
        return inside & self.reachable[i, j]

    def inside(self, points_m: np.ndarray) -> np.ndarray:
        """Whether points [..., 3] lie in the volume in which cameras may move, bool [...]."""
        low = np.array([*(self.origin_m - self.cell_m / 2), self.height_range_m[0]])
        size = np.array(self.reachable.shape) * self.cell_m
        high = np.array([*(low[:2] + size), self.height_range_m[1]])
        return np.all((points_m >= low) & (points_m <= high), axis=-1)

    def relax(self, points_m: np.ndarray, step_m: float) -> np.ndarray:
        """A closed polyline [N, 3] as a smooth closed spline that keeps away from surfaces.

        An elastic band (Quinlan and Khatib, 1993): again and again its points move towards their
        neighbours, and up the clearance where that is small. The last point equals the first.
        """
        slope = np.stack([*np.gradient(self.clearance_m, self.cell_m)], -1)
        band = resample(np.concatenate([points_m, points_m[:1]]), self.cell_m)[:-1]
        for _ in range(_BAND_ROUNDS):
            band = gaussian_filter1d(band, _BAND_SIGMA_M / self.cell_m, axis=0, mode="wrap")
            index = np.round((band[:, :2] - self.origin_m) / self.cell_m).astype(int)
            i, j = np.clip(index, 0, np.array(self.reachable.shape) - 1).T
            short_m = np.maximum(_COMFORT_M - self.clearance_m[i, j], 0.0)
            band[:, :2] += 0.5 * short_m[:, None] * slope[i, j]
        fine = resample(np.concatenate([band, band[:1]]), step_m / 2)[:-1]
        fine = gaussian_filter1d(fine, 0.15 / (step_m / 2), axis=0, mode="wrap")
        return resample(np.concatenate([fine, fine[:1]]), step_m)

    def _points(self, index: np.ndarray) -> np.ndarray:
        xy = self.origin_m + index * self.cell_m
        return np.column_stack([xy, np.full(len(xy), self.height_m)])

    def _cell(self, point_m: np.ndarray) -> int:
        """The nearest reachable cell, as a flat index."""
        index = np.argwhere(self.reachable)
        xy = self.origin_m + index * self.cell_m
        nearest = index[np.square(xy - point_m[:2]).sum(1).argmin()]
        return int(np.ravel_multi_index(tuple(nearest), self.reachable.shape))


def free_space(
    surface_m: np.ndarray,
    bounds_m: tuple[float, ...],
    spawn_m: np.ndarray,
    *,
    min_clearance_m: float,
    seen_free: Callable[[np.ndarray], np.ndarray] | None = None,
    cell_m: float | None = None,
) -> FreeSpace:
    """Free space at the height of the spawn point.

    Args:
        surface_m: Points on every surface, float64 [N, 3]; see `sample_triangles`.
        bounds_m: The volume in which cameras may move (min xyz, max xyz).
        spawn_m: A point in free space [3].
        min_clearance_m: Cells closer than this to a surface are not entered.
        seen_free: Which of the points [M, 3] are known to be free; by default all are.
        cell_m: Side of a grid cell; by default 0.1 m, and 0.2 m where the bounds exceed 20 m.

    Raises:
        ValueError: If the spawn point itself has less than the wanted clearance.
    """
    spawn = np.asarray(spawn_m, dtype=np.float64)
    surface = KDTree(surface_m)
    low, high = np.array(bounds_m[:2]), np.array(bounds_m[3:5])
    if cell_m is None:
        cell_m = 0.1 if (high - low).max() <= 20.0 else 0.2
    nx, ny = (max(int(n), 1) for n in (high - low) / cell_m)
    shape = np.array([nx, ny])
    origin = low + cell_m / 2
    xy = origin + np.moveaxis(np.indices((nx, ny)), 0, -1) * cell_m
    points = np.concatenate([xy, np.full((nx, ny, 1), spawn[2])], -1)
    clearance = surface.query(points)[0]
    open_cells = clearance >= min_clearance_m
    if seen_free is not None:
        open_cells[open_cells] = seen_free(points[open_cells])
    graph = _grid_graph(open_cells, clearance, cell_m)
    _, label = csgraph.connected_components(graph, directed=False)
    start = tuple(np.clip(((spawn[:2] - low) / cell_m).astype(int), 0, shape - 1))
    if not open_cells[start]:
        raise ValueError(
            f"the spawn point {spawn.round(2).tolist()} is {clearance[start]:.2f} m from a "
            f"surface; {min_clearance_m} m are wanted: move it, or ask for less clearance"
        )
    label = label.reshape(nx, ny)
    reachable = open_cells & (label == label[start])
    return FreeSpace(
        surface=surface,
        height_m=float(spawn[2]),
        height_range_m=_known_heights(bounds_m, float(spawn[2]), surveyed=seen_free is not None),
        origin_m=origin,
        cell_m=cell_m,
        clearance_m=clearance,
        reachable=reachable,
        graph=graph,
    )


def _known_heights(
    bounds_m: tuple[float, ...], height_m: float, *, surveyed: bool
) -> tuple[float, float]:
    """All of the bounds where the geometry is given; near the height of the survey otherwise."""
    low, high = float(bounds_m[2]), float(bounds_m[5])
    if not surveyed:
        return low, high
    return max(low, height_m - _SURVEYED_M), min(high, height_m + _SURVEYED_M)


def smooth_path(points_m: np.ndarray, step_m: float) -> np.ndarray:
    """The way [N, 3] with rounded corners, at equal steps; the ends stay where they are."""
    dense = resample(points_m, step_m / 4)
    sigma = _ROUNDING_M / (step_m / 4)
    if len(dense) > 3:
        # Reflecting through the end points keeps them fixed.
        pad = min(int(3 * sigma + 0.5), len(dense) - 1)
        head, tail = 2 * dense[0] - dense[pad:0:-1], 2 * dense[-1] - dense[-2 : -pad - 2 : -1]
        padded = np.concatenate([head, dense, tail])
        dense = gaussian_filter1d(padded, sigma, axis=0, truncate=3.0)[pad : pad + len(dense)]
    return resample(dense, step_m)


def resample(points_m: np.ndarray, step_m: float) -> np.ndarray:
    """Points [N, 3] at equal distances of about `step_m` along a polyline."""
    along = arc_length(points_m)
    count = max(int(np.ceil(along[-1] / step_m)), 1) + 1
    return along_path(points_m, np.linspace(0.0, along[-1], count))


def along_path(points_m: np.ndarray, distance_m: np.ndarray) -> np.ndarray:
    """Points [T, 3] of a polyline at distances [T] from its start."""
    along = arc_length(points_m)
    return np.stack([np.interp(distance_m, along, points_m[:, k]) for k in range(3)], -1)


def arc_length(points_m: np.ndarray) -> np.ndarray:
    """Distance from the start at each point of a polyline, float64 [N]."""
    return np.concatenate([[0.0], np.linalg.norm(np.diff(points_m, axis=0), axis=1).cumsum()])


def sample_triangles(
    triangles_m: np.ndarray, bounds_m: tuple[float, ...], spacing_m: float = 0.12
) -> np.ndarray:
    """Points on every triangle near the bounds, float64 [N, 3].

    Args:
        triangles_m: float [F, 3, 3].
        bounds_m: Triangles more than a metre outside do not matter.
        spacing_m: Neighbouring points are not farther apart. The distance to the points is then at
            most sqrt(d^2 + spacing^2 / 3) where the distance to the triangles is d: 8 mm more at
            0.3 m.
    """
    triangles, margin_m = np.asarray(triangles_m, dtype=np.float64), 1.0
    low, high = np.array(bounds_m[:3]) - margin_m, np.array(bounds_m[3:]) + margin_m
    clouds = []
    while len(triangles):
        triangles = triangles[(triangles.max(1) >= low).all(1) & (triangles.min(1) <= high).all(1)]
        longest = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2).max(1)
        small = longest <= _SPLIT_ABOVE_M
        clouds += _points_on(triangles[small], longest[small], spacing_m)
        triangles = _split(triangles[~small])
    cloud = np.concatenate(clouds)
    cloud = cloud[((cloud >= low) & (cloud <= high)).all(1)]
    # One point per small cube: shared corners and dense meshes need not be searched twice.
    cube = np.floor((cloud - low) / (spacing_m / 2)).astype(np.int64)
    key = (cube[:, 0] << 42) | (cube[:, 1] << 21) | cube[:, 2]
    _, first = np.unique(key, return_index=True)
    return cloud[first]


def _points_on(triangles: np.ndarray, longest: np.ndarray, spacing_m: float) -> list[np.ndarray]:
    """A triangular lattice of points on each triangle, one array per lattice size."""
    divisions = np.maximum(np.ceil(longest / spacing_m).astype(int), 1)
    clouds = []
    for n in np.unique(divisions):
        i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
        u, v = i[i + j <= n] / n, j[i + j <= n] / n
        weights = np.stack([1 - u - v, u, v])
        points = np.einsum("fkc,kp->fpc", triangles[divisions == n], weights)
        clouds.append(points.reshape(-1, 3))
    return clouds


def _split(triangles: np.ndarray) -> np.ndarray:
    """Each triangle [F, 3, 3] as four of half its size."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([np.stack(part, 1) for part in parts])


def _grid_graph(open_cells: np.ndarray, clearance: np.ndarray, cell_m: float) -> csr_array:
    """Eight-connected graph of the open cells; narrow places cost up to three times more."""
    number = np.arange(open_cells.size).reshape(open_cells.shape)
    comfort = 1.0 + 2.0 * np.exp(-np.maximum(clearance, 0.0) / 0.3)
    rows, columns, weights = [], [], []
    for dx, dy in _NEIGHBOURS:
        a = (
            slice(0, open_cells.shape[0] - dx),
            slice(max(0, -dy), open_cells.shape[1] - max(dy, 0)),
        )
        b = (slice(dx, None), slice(max(0, dy), open_cells.shape[1] + min(dy, 0)))
        both = open_cells[a] & open_cells[b]
        rows.append(number[a][both])
        columns.append(number[b][both])
        weights.append(np.hypot(dx, dy) * cell_m * (comfort[a][both] + comfort[b][both]) / 2)
    i, j, w = map(np.concatenate, (rows, columns, weights))
    size = open_cells.size
    return csr_array(
        (np.concatenate([w, w]), (np.concatenate([i, j]), np.concatenate([j, i]))), (size, size)
    )
