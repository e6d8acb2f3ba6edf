"""Recipes of datasets: Python functions that return a resolved config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from capture import files
from capture.camera import Axes
from capture.planner import GENERATORS, Motion
from capture.scene import FILE_SUFFIXES, name_of
from capture.schedule import Targets

FOV_DEG = 80.0
SCHEDULED = "scheduled"
_WORLDS = ("apartment", "town", "courtyard", "warehouse", "museum", "valley")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanGroup:
    """Plans of one kind.

    Attributes:
        generator: A generator of `capture.planner`, or "scheduled": whatever the dataset lacks
            most, see `capture.schedule`.
        count: How many.
        num_frames: Length of each.
    """

    generator: str
    count: int
    num_frames: int

    def __post_init__(self):
        if self.generator not in (*GENERATORS, SCHEDULED):
            raise ValueError(
                f"unknown generator {self.generator!r}; there are {', '.join(GENERATORS)} and "
                f"{SCHEDULED}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A path that somebody flew; see `capture.recordings`.

    Attributes:
        file: The file, from where the command is run.
        sha256: Of its content.
        axes: "unreal" or "relickit" where the file leaves it open.
    """

    file: str
    sha256: str
    axes: Axes | None = None

    def checked(self) -> Path:
        """The file.

        Raises:
            ValueError: If it is not what it was when the recipe was made.
        """
        path = Path(self.file)
        if not path.is_file() or files.sha256(path) != self.sha256:
            raise ValueError(f"the recording {path} is gone or has changed; plan into a new folder")
        return path


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneGroup:
    """A scene and what is planned in it.

    Attributes:
        name: A built-in scene, or the path of a .glb or .gltf file.
        seed: Of the scene.
        split: "train" or "val"; a scene is never in both.
        plans: What to render there.
        recordings: Human paths to render there too.
    """

    name: str
    seed: int
    split: str = "train"
    plans: tuple[PlanGroup, ...] = ()
    recordings: tuple[Recording, ...] = ()

    def __post_init__(self):
        if self.split not in ("train", "val"):
            raise ValueError(f"a split is 'train' or 'val', got {self.split!r}")

    @classmethod
    def parse(cls, text: str) -> SceneGroup:
        """A scene as people write it: `apartment-3` or `house.glb`.

        Raises:
            ValueError: If it is neither.
        """
        if Path(text).suffix.lower() in FILE_SUFFIXES:
            return cls(name=text, seed=0)
        name, _, seed = text.rpartition("-")
        if not name or not seed.isdigit():
            raise ValueError(
                "a scene is a name and a seed, such as apartment-0, or a .glb or .gltf file; "
                f"got {text!r}"
            )
        return cls(name=name, seed=int(seed))

    @property
    def scene_id(self) -> str:
        """As `Scene.id`."""
        return f"{name_of(self.name)}-{self.seed}"


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetRecipe:
    """Everything that decides what a dataset holds.

    Attributes:
        name: Of the recipe.
        seed: Of the plans.
        scenes: Scenes and their plans.
        width_px: Image width.
        height_px: Image height.
        fov_deg: Horizontal field of view.
        motion: How the camera moves.
        clips_per_shard: Samples in one tar.
        targets: What the train and the val split are to hold; scheduled plans work towards it.
    """

    name: str
    seed: int = 0
    scenes: tuple[SceneGroup, ...]
    width_px: int = 832
    height_px: int = 480
    fov_deg: float = FOV_DEG
    motion: Motion = field(default_factory=Motion)
    clips_per_shard: int = 50
    targets: Targets | None = None

    def __post_init__(self):
        wanted = {plans.generator for scene in self.scenes for plans in scene.plans}
        if (SCHEDULED in wanted) != (self.targets is not None):
            raise ValueError(
                f"{self.name}: targets and plans of the generator {SCHEDULED!r} go together; "
                "give both or neither"
            )


def _plans(**wanted: tuple[int, int]) -> tuple[PlanGroup, ...]:
    """Plans from `generator=(how many, frames of each)`."""
    return tuple(
        PlanGroup(generator=generator, count=count, num_frames=num_frames)
        for generator, (count, num_frames) in wanted.items()
    )


def demo() -> DatasetRecipe:
    """Two apartments and a town, small pictures: a few minutes on two cores."""
    home = _plans(
        roam=(3, 161), loop=(2, 161), out_and_back=(2, 161), look_around=(3, 81), moves=(42, 81)
    )
    few = _plans(roam=(1, 161), loop=(1, 161), out_and_back=(1, 161), moves=(1, 81))
    return DatasetRecipe(
        name="demo",
        scenes=(
            SceneGroup(name="apartment", seed=0, plans=home),
            SceneGroup(name="town", seed=0, plans=few),
            SceneGroup(name="apartment", seed=1, split="val", plans=few),
        ),
        width_px=224,
        height_px=128,
        clips_per_shard=25,
    )


def toy() -> DatasetRecipe:
    """The road in seconds: a handful of tiny episodes, for tests and for trying things out."""
    plans = _plans(moves=(3, 81), out_and_back=(1, 81))
    return DatasetRecipe(
        name="toy",
        scenes=(
            SceneGroup(name="courtyard", seed=0, plans=plans),
            SceneGroup(name="courtyard", seed=1, split="val", plans=plans[:1]),
        ),
        width_px=112,
        height_px=64,
        clips_per_shard=4,
    )


def worlds() -> DatasetRecipe:
    """Every built-in scene at RELIC's resolution, long enough for revisits after 20 s."""
    plans = _plans(
        roam=(8, 321), loop=(6, 641), out_and_back=(6, 641), look_around=(4, 161), moves=(16, 161)
    )
    return DatasetRecipe(
        name="worlds",
        scenes=tuple(
            SceneGroup(name=name, seed=seed, split="val" if seed == 3 else "train", plans=plans)
            for name in _WORLDS
            for seed in range(4)
        ),
    )


def balanced() -> DatasetRecipe:
    """The built-in worlds, planned towards even actions, all speeds and revisits up to 40 s."""
    plans = (
        PlanGroup(generator=SCHEDULED, count=8, num_frames=801),
        PlanGroup(generator=SCHEDULED, count=16, num_frames=321),
    )
    return DatasetRecipe(
        name="balanced",
        scenes=tuple(
            SceneGroup(name=name, seed=seed, split="val" if seed == 3 else "train", plans=plans)
            for name in _WORLDS
            for seed in range(4)
        ),
        motion=Motion(hand_deg=0.2),
        targets=Targets(),
    )


RECIPES: dict[str, Callable[[], DatasetRecipe]] = {
    "demo": demo,
    "toy": toy,
    "worlds": worlds,
    "balanced": balanced,
}


def find(name: str) -> DatasetRecipe:
    """A recipe by its name.

    Raises:
        ValueError: If there is none; the message lists those that exist.
    """
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]()
