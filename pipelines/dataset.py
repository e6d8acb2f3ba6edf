"""Folder names: what lies where in a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from capture import config, files
from capture.episode import is_finished
from capture.scene import Plan, Scene, load_plans, scenes_again
from pipelines.recipes import DatasetRecipe


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset folder.

    Attributes:
        path: `data/<name>`.
    """

    path: Path

    @property
    def card(self) -> Path:
        """dataset.json: the resolved recipe."""
        return self.path / "dataset.json"

    @property
    def plans_file(self) -> Path:
        """One row per plan."""
        return self.path / "plans.parquet"

    @property
    def episodes(self) -> Path:
        """One folder per finished plan."""
        return self.path / "episodes"

    @property
    def scenes(self) -> Path:
        """What is known of each scene: card, map, picture."""
        return self.path / "scenes"

    @property
    def failed(self) -> Path:
        """One JSON file per plan that was given up, with the reason."""
        return self.path / "failed"

    def recipe(self) -> DatasetRecipe:
        """The recipe it was made with.

        Raises:
            ValueError: If the folder is no dataset.
        """
        if not self.card.is_file():
            raise ValueError(
                f"{self.path} is no dataset (it has no dataset.json); make one with `relickit plan`"
            )
        return config.load(DatasetRecipe, self.card)

    def start(self, recipe: DatasetRecipe) -> None:
        """Claim the folder for a recipe, or check that it is this recipe's already.

        Raises:
            ValueError: If it holds a dataset of another recipe.
        """
        if self.card.is_file():
            if self.recipe() != recipe:
                raise ValueError(
                    f"{self.path} holds a dataset of another recipe (see {self.card.name}); "
                    "choose another folder with --data, or delete this one"
                )
            return
        self.path.mkdir(parents=True, exist_ok=True)
        config.save(self.card, recipe)

    def plans(self) -> list[Plan]:
        """All plans.

        Raises:
            ValueError: If there are none yet.
        """
        if not self.plans_file.is_file():
            raise ValueError(f"{self.path} has no plans yet; run `relickit plan` first")
        return load_plans(self.plans_file)

    def scene(self, scene_id: str) -> Scene:
        """A scene that was planned for."""
        path = self.scenes / f"{scene_id}.json"
        data = files.read_json(path, scenes_again(self.path, scene_id))
        card = {k: v for k, v in data.items() if k not in ("map", "picture")}
        return Scene.from_json(card, str(path))

    def is_captured(self, plan: Plan) -> bool:
        """Whether the plan's episode is there as a whole, as `capture` takes it to be."""
        return is_finished(self.episodes / plan.id)

    def sweep(self) -> None:
        """Remove what killed processes left behind."""
        for folder in (self.path, self.episodes, self.scenes, self.failed):
            files.sweep(folder)
