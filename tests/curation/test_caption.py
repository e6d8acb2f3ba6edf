from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from capture.scene import Place, Scene
from curation import caption
from curation.caption import card

KITCHEN = Place(name="kitchen", bounds_m=(0, 0, 0, 3, 3, 3), description="white tiles and oak")
SCENE = Scene(
    name="apartment",
    bounds_m=(0, 0, 0, 10, 10, 3),
    setting="a furnished apartment",
    light="late afternoon sun",
    places=(KITCHEN,),
    labels={"table_1": "oak table", "chair_1": "chair", "chair_2": "chair", "cup_1": "cup"},
)
NAMES = ["background", "table_1", "chair_1", "chair_2", "cup_1", "wall_1"]


def seen(*counts: int) -> caption.View:
    """A view of a mask with so many pixels of each index, 1000 in all."""
    flat = np.repeat(np.arange(len(counts)), counts).astype(np.uint16)
    mask = np.zeros(1000, np.uint16)
    mask[: len(flat)] = flat
    return caption.view(SCENE, np.array([1.0, 1.0, 1.5]), mask.reshape(1, 20, 50), NAMES)


def test_it_names_the_place_the_light_and_what_is_visible():
    text = caption.describe(SCENE, seen(0, 300, 6, 6, 5), "seed")
    for words in ("kitchen", "furnished apartment", "Late afternoon sun", "an oak table"):
        assert words in text
    assert "a chair" in text, "two chairs of 0.6 % each are 1.2 % chair"
    assert "cup" not in text, "half a percent is not seen"
    assert "wall" not in text, "no label, no mention"


def test_things_come_largest_first():
    assert caption.things(SCENE, seen(0, 100, 300).objects) == ["chair", "oak table"]


def test_articles_follow_the_head_noun_and_shells_are_not_worth_saying():
    scene = Scene(
        name="x",
        bounds_m=(0,) * 6,
        labels={
            "a": "row of books",
            "b": "curtains",
            "c": "umbrella",
            "d": "walls of the hall",
            "e": "arcade with benches",
        },
    )
    shares = {"a": 0.3, "b": 0.2, "c": 0.1, "d": 0.3, "e": 0.05}
    text = caption.describe(scene, caption.View(place=None, objects=shares), "seed")
    assert text.endswith("a row of books, curtains, an umbrella and an arcade with benches.")


def test_there_are_curtains():
    scene = Scene(name="x", bounds_m=(0,) * 6, labels={"a": "curtains", "b": "umbrella"})

    def said(first: str, second: str) -> str:
        seen_both = caption.View(place=None, objects={first: 0.4, second: 0.2})
        return " ".join(caption.describe(scene, seen_both, str(n)) for n in range(30))

    assert "There are curtains" in said("a", "b") and "There is" not in said("a", "b")
    assert "There is an umbrella" in said("b", "a") and "There are" not in said("b", "a")


def test_nothing_is_invented():
    text = caption.describe(SCENE, seen(1000), "seed")
    assert not any(label in text for label in SCENE.labels.values())


def test_the_same_seed_says_the_same_and_others_vary():
    texts = [caption.describe(SCENE, seen(0, 300, 60), str(n)) for n in range(20)]
    assert texts == [caption.describe(SCENE, seen(0, 300, 60), str(n)) for n in range(20)]
    assert len(set(texts)) > 3


def test_captions_never_speak_of_the_camera():
    for n in range(50):
        assert caption.camera_words(caption.describe(SCENE, seen(0, 300, 60), str(n))) == []


@pytest.mark.parametrize(
    "text",
    [
        "The camera pans left.",
        "A slow dolly through the hall",
        "Moving forward along the street",
        "First-person footage of a room",
        "As we enter, a table",
        "the viewer turns around",
        "Zooming in on a cup",
        "A steady shot",
    ],
)
def test_the_linter_finds_camera_words(text):
    assert caption.camera_words(text)


@pytest.mark.parametrize(
    "text",
    [
        "A spacious, polished apartment living and dining area unfolds.",
        "A street with a fruit stall, under a leaning plane tree",
        "A kitchen with frying pans, a tilted shelf and a door frame",
        "A quiet square with a parked truck and a movie poster.",
    ],
)
def test_the_linter_leaves_scenes_alone(text):
    assert caption.camera_words(text) == []


def test_what_a_scene_card_says_of_the_camera_is_left_out():
    bad = Scene(
        name="x",
        bounds_m=(0,) * 6,
        setting="hills",
        light="a camera flight over dawn",
        labels={"table_1": "moving table", "chair_1": "picture frame"},
    )
    text = caption.describe(bad, seen(0, 300, 300), "seed")
    assert caption.camera_words(text) == []
    assert "picture frame" in text
    assert "table" not in text
    assert "dawn" not in text
    nothing = Scene(name="x", bounds_m=(0,) * 6, setting="footage of hills")
    assert caption.describe(nothing, caption.View(place=None, objects={}), "seed") == "A scene."


def test_the_short_caption_of_a_caption_is_its_first_sentence():
    scene = dataclasses.replace(SCENE, setting="A blue room. There is a red chair.")
    view = caption.View(place=None, objects={})
    assert card.describe_short(scene, view, "seed") == "A blue room."
    assert caption.describe(scene, view, "seed").startswith("A blue room. There is a red chair.")
