from __future__ import annotations

import pytest

from capture import config
from capture.engine import scenes
from pipelines import recipes
from pipelines.recipes import DatasetRecipe, SceneGroup


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_survives_json(name, tmp_path):
    recipe = recipes.find(name)
    config.save(tmp_path / "c.json", recipe)
    assert config.load(DatasetRecipe, tmp_path / "c.json") == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widht_px": 3}, "unknown key 'widht_px'; did you mean 'width_px'"),
        ({"width_px": "3"}, "width_px: expected int, got '3'"),
        ({"width_px": True}, "width_px: expected int"),
        ({"scenes": 3}, "scenes: expected a list"),
        ({"motion": {"fsp": 3}}, "motion: unknown key 'fsp'; did you mean 'fps'"),
        ({"motion": {"walk_m_s": [1.0]}}, "walk_m_s: expected 2 entries, got 1"),
    ],
)
def test_strict_loading_names_the_mistake(change, message):
    data = {**config.to_json(recipes.demo()), **change}
    with pytest.raises(ValueError, match=message):
        config.from_json(DatasetRecipe, data)


def test_missing_key_is_named():
    with pytest.raises(ValueError, match="scenes"):
        config.from_json(DatasetRecipe, {"name": "x"})


def test_unknown_recipe_lists_the_known():
    with pytest.raises(ValueError, match="demo, toy, worlds"):
        recipes.find("dmeo")


def test_no_scene_is_in_two_splits():
    for name in recipes.RECIPES:
        seen = [s.scene_id for s in recipes.find(name).scenes]
        assert len(seen) == len(set(seen))


def test_the_worlds_are_all_built_in_scenes():
    for recipe in (recipes.worlds(), recipes.balanced()):
        assert tuple(dict.fromkeys(group.name for group in recipe.scenes)) == scenes.NAMES


def test_a_scene_as_people_write_it():
    assert SceneGroup.parse("apartment-3").scene_id == "apartment-3"
    house = SceneGroup.parse("scenes/My house.glb")
    assert (house.name, house.scene_id) == ("scenes/My house.glb", "My_house-0")
    for text in ("apartment", "-3", "house.obj"):
        with pytest.raises(ValueError, match="a scene is a name and a seed"):
            SceneGroup.parse(text)
