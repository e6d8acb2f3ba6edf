from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from curation import rules, split
from curation.filters import RULES
from curation.rules import Rule

DARK = Rule(name="too dark", metric="luma_mean", at_least=25.0, low_fences=3.0)
ROWS = [{"luma_mean": float(value)} for value in np.linspace(90, 110, 41)]


def test_fences_are_taken_from_the_dataset_and_named_in_the_reason():
    (resolved,) = rules.resolve([DARK], ROWS)
    assert resolved.at_least == pytest.approx(95 - 3 * 10)
    assert resolved.reason(66.0) is None
    assert resolved.reason(60.0) == "mean luma: 60 levels, expected 65 levels"
    assert DARK.reason(60.0) is None


def test_fences_tighten_and_never_loosen():
    wide = [{"luma_mean": value} for value in np.linspace(30, 200, 41).tolist()]
    assert rules.resolve([DARK], wide)[0].at_least == 25.0


def test_fences_say_nothing_without_enough_to_compare():
    same = [{"luma_mean": 100.0}] * 40
    unknown = [{"luma_mean": None}] * 40
    for rows in (ROWS[:10], same, unknown, []):
        assert rules.resolve([DARK], rows) == (DARK,)


def write(path, changes):
    path.write_text(json.dumps(changes))
    return path


def test_a_file_changes_adds_and_removes_rules(tmp_path):
    path = write(
        tmp_path / "rules.json",
        [
            {"name": "whip pan", "at_most": 60},
            {"name": "popping", "off": True},
            {"name": "few actions", "metric": "action_entropy_bits", "at_least": 1},
        ],
    )
    by_name = {rule.name: rule for rule in rules.load(path, RULES)}
    base = {rule.name: rule for rule in RULES}
    assert by_name["whip pan"].at_most == 60 and by_name["whip pan"].text == base["whip pan"].text
    assert "popping" not in by_name and len(by_name) == len(RULES)
    assert by_name["few actions"].reason(0.5) == (
        "evenness of the 13 actions; at most 3.70: 0.5 bits, expected 1 bits"
    )
    assert rules.load(tmp_path / "nothing.json", RULES) == RULES


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "expected a list"),
        ([{"name": "whip pan", "atmost": 3}], "unknown keys atmost"),
        ([{"name": "whip pan", "at_most": "3"}], "at_most cannot be '3'"),
        ([{"name": "whip pan", "at_most": True}], "at_most cannot be True"),
        ([{"name": "new", "at_most": 3}], "needs a metric"),
        ([{"name": "new", "metric": "speed", "at_most": 3}], "no metric 'speed'"),
        ([{"name": "new", "metric": "luma_mean"}], "needs a bound"),
        (
            [{"name": "popping"}, {"name": "whip pan", "text": "has {vale}"}],
            r"rules\.json, rule 2: text may hold {value} and {bound}, got 'has {vale}'",
        ),
        ([{"name": "whip pan", "text": "has {}"}], "text may hold"),
        ([{"name": "whip pan", "text": "has {value:d}"}], "text may hold"),
        ([{"name": "whip pan", "text": "has {value"}], "text may hold"),
        ([{"name": "new", "metric": "luma_mean", "low_fences": -1}], "must not be negative"),
        ([{"name": "no such", "off": True}], "no rule 'no such'"),
        ([{"off": True}], 'expected a "name"'),
    ],
)
def test_files_without_meaning_are_refused(tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        rules.load(write(tmp_path / "rules.json", changes), RULES)


def test_files_that_are_not_json_are_refused(tmp_path):
    for content in (b"- name: x", b'[{"name": "caf\xe9"}]'):
        (tmp_path / "rules.json").write_bytes(content)
        with pytest.raises(ValueError, match=r"rules\.json is not JSON"):
            rules.load(tmp_path / "rules.json", RULES)


def test_rules_survive_json_and_their_version_is_their_content():
    again = tuple(Rule(**fields) for fields in json.loads(json.dumps(rules.to_json(RULES))))
    assert again == RULES and rules.version(again) == rules.version(RULES)
    assert rules.version(RULES) != rules.version(RULES[1:])


def test_the_names_of_rules_are_unique():
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_the_page_says_the_bounds_that_hold():
    page = (Path(__file__).parents[2] / "docs" / "curation.md").read_text()
    stated = re.findall(r"^\| ([a-z -]+) \| `(\w+)` \| ([≥≤=]) ([\d.]+)( %)?", page, re.M)
    assert [(name, metric) for name, metric, *_ in stated] == [(r.name, r.metric) for r in RULES]
    for (*_, sign, number, percent), rule in zip(stated, RULES, strict=True):
        bound = float(number) / (100 if percent else 1)
        assert bound == (rule.at_most if sign == "≤" else rule.at_least), rule.name


def test_a_scene_under_two_names_is_found():
    card = {"bounds_m": [0, 1], "places": [], "labels": {"a": "sofa"}, "name": "x"}
    other = {**card, "labels": {"a": "chair"}}
    bare = {**card, "labels": {}}
    cards = {"a": card, "b": other, "c": {**card, "name": "copy"}, "d": bare, "e": bare}
    assert split.twins(cards) == [("a", "c")]
