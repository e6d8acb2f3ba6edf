from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation import audit, decide, tables
from curation.audit import charts
from curation.audit.data import gather
from curation.filters import Rule


class Collector(HTMLParser):
    """Balanced tags, and what the document refers to."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)
        self.references += [value for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_startendtag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def curate(dataset: Path) -> Path:
    for folder in sorted((dataset / "episodes").iterdir()):
        tables.measure_episode(dataset, folder.name)
    tables.merge(dataset)
    # The box room has no bad clips, so one kind is made to fail.
    decide.decide(
        dataset,
        rules=[
            Rule(name="bad", metric="turn_max_deg_s", at_most=50, text="turns {value} > {bound}")
        ],
    )
    return dataset


@pytest.fixture(scope="module")
def audited(box_dataset, tmp_path_factory) -> Path:
    dataset = tmp_path_factory.mktemp("audited") / "box"
    shutil.copytree(box_dataset, dataset)
    first = curate(dataset) / "episodes"
    broken = dataset / "episodes" / "0123456789abcdef"
    shutil.copytree(sorted(first.iterdir())[0], broken)
    (broken / "episode.json").unlink()
    card = json.loads((sorted(first.iterdir())[1] / "episode.json").read_text())["scene"]
    card["setting"] = "a <b>box</b> & more"
    (dataset / "scenes").mkdir()
    (dataset / "scenes" / "box-0.json").write_text(json.dumps(card))
    audit.write(dataset)
    return dataset


@pytest.fixture(scope="module")
def text(audited) -> str:
    return (audited / "audit" / "index.html").read_text()


def test_the_page_is_one_well_formed_file(audited, text):
    page = Collector()
    page.feed(text)
    assert page.open == []
    assert page.references
    assert all(reference.startswith(("data:image/jpeg", "#")) for reference in page.references)
    assert not re.search(r"https?://|@import|url\(", text)
    assert sorted(path.name for path in (audited / "audit").iterdir()) == [
        "audit.json",
        "index.html",
    ]


def test_it_shows_every_episode_with_its_verdict_and_caption(audited, text):
    report = gather(audited)
    assert len(report.routes) == 6
    for route in report.routes:
        assert route.episode.id in text
    assert text.count('class="pill keep"') == 4
    assert text.count('class="pill reject"') == 2
    assert text.count("turns 60 deg/s &gt; 50 deg/s") == 2
    assert "There is a striped wall" in text or "striped wall" in text
    assert "Pose, depth, colour and time agree." in text


def test_text_from_scene_cards_is_escaped(text):
    assert "A &lt;b&gt;box&lt;/b&gt; &amp; more" in text


def test_what_cannot_be_used_is_said_in_words(text):
    assert "0123456789abcdef" in text
    assert "no finished episode" in text


def test_the_numbers_are_there_for_machines(audited):
    numbers = json.loads((audited / "audit" / "audit.json").read_text())
    assert (numbers["clips"], numbers["kept"], numbers["trajectories"]) == (6, 4, 6)
    assert numbers["agreement"]["disagreeing_clips"] == []
    assert numbers["agreement"]["inlier_min"] > 0.95
    assert sum(numbers["rejected_by"].values()) == 2
    assert numbers["metrics"]["turn_max_deg_s"]["max"] == pytest.approx(60)
    assert numbers["actions"]["static"] > 0
    assert list(numbers["problems"]) == ["0123456789abcdef"]


def test_the_same_dataset_gives_the_same_page(audited, text):
    audit.write(audited)
    assert (audited / "audit" / "index.html").read_text() == text


def test_sections_fit_into_another_page(audited):
    parts = [*audit.sections(audited), audit.Section("Training curve", "<p>down</p>")]
    page = audit.page("A & B", "both", parts)
    assert "<title>A &amp; B</title>" in page
    assert 'href="#training-curve"' in page
    assert "<p>down</p>" in page


def test_an_uncurated_dataset_is_refused(box_dataset):
    with pytest.raises(ValueError, match="run `relickit curate`"):
        audit.write(box_dataset)


def test_an_episode_that_was_damaged_later_is_a_problem_not_an_end(audited, tmp_path):
    dataset = Path(shutil.copytree(audited, tmp_path / "box"))
    victim = sorted((dataset / "episodes").iterdir())[3]
    (victim / "rgb.mp4").write_bytes(b"")
    text = audit.write(dataset).read_text()
    assert f"{victim.name}/rgb.mp4: expected" in text
    assert len(gather(dataset).routes) == 5


def test_verdicts_older_than_the_metrics_are_refused(audited, tmp_path):
    dataset = Path(shutil.copytree(audited, tmp_path / "box"))
    table = pq.read_table(dataset / "clips.parquet")
    pq.write_table(table.slice(1), dataset / "clips.parquet")
    with pytest.raises(ValueError, match="older than the metrics"):
        gather(dataset)


def test_disagreement_is_shouted(audited, tmp_path):
    dataset = Path(shutil.copytree(audited, tmp_path / "box"))
    victim = sorted((dataset / "episodes").iterdir())[2].name
    info = dataset / "episodes" / victim / "episode.json"
    data = json.loads(info.read_text())
    data["intrinsics"]["fx_px"] *= 1.3
    data["intrinsics"]["fy_px"] *= 1.3
    info.write_text(json.dumps(data))
    tables.measure_episode(dataset, victim)
    tables.merge(dataset)
    decide.decide(dataset)
    assert "disagree in 1 of 6 clips" in audit.write(dataset).read_text()


@pytest.mark.parametrize("values", [[], [3.0], [3.0, 3.0], [0.0, 1e-12], [-5.0, 80.0]])
def test_histograms_of_any_values_count_all_of_them(values):
    kept, rejected = np.array(values), np.array([1.0])
    drawn = charts.histogram(kept, rejected, [2.0])
    counted = [int(n) for n in re.findall(r": (\d+) (?:keep|reject)", drawn)]
    assert sum(counted) == len(values) + 1
    assert "nan" not in drawn
