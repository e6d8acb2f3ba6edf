"""Scenes and plans: what is to be rendered."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capture import config, files, parquet
from capture.camera import Intrinsics
from capture.trajectory import Trajectory

FILE_SUFFIXES = (".glb", ".gltf")  # of users' scenes


_COLUMNS = {
    "plan_id": str,
    "scene_id": str,
    "generator": str,
    "seed": int,
    "fps": float,
    "clearance_m": float,
    "intrinsics": dict,
    "t_s": list,
    "cam_to_world": list,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A named part of a scene, such as a room or a street.

    Attributes:
        name: As a person would say it: "kitchen", "market street".
        bounds_m: (min x, min y, min z, max x, max y, max z) in world metres.
        description: One clause about what it looks like; may be empty.
    """

    name: str
    bounds_m: tuple[float, ...]
    description: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A world that can be rendered, and what is known of it without rendering.

    Attributes:
        name: A built-in scene ("apartment"), a level, or a file.
        seed: Of the procedural parts; 0 where there are none.
        bounds_m: (min x, min y, min z, max x, max y, max z) in world metres.
        setting: What it is, for captions: "a furnished apartment with four rooms".
        light: The light, for captions: "late afternoon sun through tall windows".
        places: Its rooms or streets.
        labels: Object id -> what a person would call it: {"sofa_1": "blue sofa"}.
        file: The .glb or .gltf file that the embedded engine shows; empty for built-in scenes and
            levels.
        exposure_bias: Stops by which Unreal's camera is exposed longer (+1 is twice as bright);
            None leaves it as the level has it.
    """

    name: str
    seed: int = 0
    bounds_m: tuple[float, ...]
    setting: str = ""
    light: str = ""
    places: tuple[Place, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    file: str = ""
    exposure_bias: float | None = None

    @property
    def id(self) -> str:
        """Name and seed, usable as a file name: `apartment-0`."""
        return f"{self.name}-{self.seed}"

    def place_at(self, position_m) -> Place | None:
        """The smallest place that contains a point [3], or None."""
        inside = [
            p
            for p in self.places
            if all(p.bounds_m[k] <= position_m[k] <= p.bounds_m[k + 3] for k in range(3))
        ]
        return min(inside, key=lambda p: _volume(p.bounds_m), default=None)

    def to_json(self) -> dict:
        """A JSON-ready dictionary; `from_json` reads it back."""
        return config.to_json(self)

    @classmethod
    def from_json(cls, data: dict, where: str = "scene") -> Scene:
        """A scene from what `to_json` gave.

        Args:
            data: The dictionary.
            where: Its source, for messages.

        Raises:
            ValueError: If it is of another content.
        """
        return config.from_json(cls, data, where)


def name_of(scene: str) -> str:
    """The name of a scene that is asked for by its name or by its file."""
    path = Path(scene)
    is_file = path.suffix.lower() in FILE_SUFFIXES
    return re.sub(r"[^\w-]+", "_", path.stem) if is_file else scene


def plans_again(path: Path) -> str:
    """What to do about a file of plans that is damaged."""
    return f"delete {path} and run `relickit plan` again, or the import that made it"


def scenes_again(dataset: Path, scene_id: str) -> str:
    """What to do about a file in a dataset's scenes folder that is lost or damaged."""
    plans, mine = dataset / "plans.parquet", dataset / "scenes" / f"{scene_id}.*"
    return f"delete {plans} and {mine} and run `relickit plan` again, or the import that made them"


def _volume(bounds_m: tuple[float, ...]) -> float:
    return float(np.prod(np.subtract(bounds_m[3:], bounds_m[:3])))


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One trajectory through one scene: the unit of capture.

    Attributes:
        scene_id: `Scene.id`.
        generator: Name of the path generator: "roam", "look_around", "out_and_back", "loop"...
        seed: Seed that the generator was given.
        fps: Frames per second of the trajectory.
        trajectory: The camera path.
        intrinsics: The camera.
        clearance_m: Smallest distance from the path to any surface, as measured by the planner.
    """

    scene_id: str
    generator: str
    seed: int
    fps: float
    trajectory: Trajectory
    intrinsics: Intrinsics
    clearance_m: float

    @property
    def id(self) -> str:
        """First 16 hex digits of the SHA-256 of everything that is to be rendered."""
        head = json.dumps(
            [
                self.scene_id,
                self.generator,
                self.seed,
                self.fps,
                dataclasses.asdict(self.intrinsics),
            ],
            sort_keys=True,
        )
        digest = hashlib.sha256(head.encode())
        digest.update(np.ascontiguousarray(self.trajectory.cam_to_world, dtype="<f8").tobytes())
        return digest.hexdigest()[:16]


def save_plans(path: Path, plans: list[Plan]) -> None:
    """One row per plan, in the given order, written atomically."""
    rows = [
        {
            "plan_id": plan.id,
            "scene_id": plan.scene_id,
            "generator": plan.generator,
            "seed": plan.seed,
            "fps": float(plan.fps),
            "num_frames": len(plan.trajectory),
            "clearance_m": float(plan.clearance_m),
            "intrinsics": dataclasses.asdict(plan.intrinsics),
            "t_s": plan.trajectory.t_s.tolist(),
            "cam_to_world": plan.trajectory.cam_to_world.reshape(-1).tolist(),
        }
        for plan in plans
    ]
    with files.replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows), temporary)


def load_plans(path: Path) -> list[Plan]:
    """What `save_plans` wrote.

    Raises:
        ValueError: If the file is damaged: also if a row's content does not hash to its id.
    """
    plans = []
    for row in parquet.read(path, _COLUMNS, plans_again(path)).to_pylist():
        what = f"{path}: plan {row['plan_id']} holds other content than was planned"
        try:
            plan = _plan(row)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{what} ({error}); {plans_again(path)}") from error
        if plan.id != row["plan_id"]:
            raise ValueError(f"{what} (hash {plan.id}); {plans_again(path)}")
        plans.append(plan)
    return plans


def _plan(row: dict) -> Plan:
    poses = np.array(row["cam_to_world"]).reshape(-1, 4, 4)
    return Plan(
        scene_id=row["scene_id"],
        generator=row["generator"],
        seed=row["seed"],
        fps=row["fps"],
        trajectory=Trajectory(t_s=np.array(row["t_s"]), cam_to_world=poses),
        intrinsics=Intrinsics(**row["intrinsics"]),
        clearance_m=row["clearance_m"],
    )
