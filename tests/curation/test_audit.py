from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from capture import files
from curation import audit, decide, tables
from curation.audit import charts, folder, numbers, page
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


# The box room has no bad clips, so one kind is made to fail.
BAD = Rule(name="bad", metric="turn_max_deg_s", at_most=50, text="turns {value} > {bound}")


@pytest.fixture(scope="module")
def audited(measured_box, tmp_path_factory) -> Path:
    dataset = Path(shutil.copytree(measured_box, tmp_path_factory.mktemp("audited") / "box"))
    decide.decide(dataset, rules=[BAD], val_scenes=["box-1"])
    first, second, *_ = sorted((dataset / "episodes").iterdir())
    broken = dataset / "episodes" / "0123456789abcdef"
    shutil.copytree(first, broken)
    (broken / "episode.json").unlink()
    attempts = [{"reason": reason, "engine_log": ""} for reason in ("lost", "lost", "too dark")]
    files.write_json(dataset / "failed" / "fedcba9876543210.json", {"attempts": attempts})
    card = json.loads((second / "episode.json").read_text())["scene"]
    card["setting"] = "a <b>box</b> & more"
    (dataset / "scenes").mkdir()
    (dataset / "scenes" / "box-0.json").write_text(json.dumps(card))
    audit.write(dataset)
    return dataset


@pytest.fixture(scope="module")
def text(audited) -> str:
    return (audited / "audit" / "index.html").read_text()


def data(audited: Path, name: str):
    """Content of a data script."""
    text = (audited / "audit" / "data" / f"{name}.js").read_text()
    start = f"relickit.put({json.dumps(name)},"
    assert text.startswith(start) and text.endswith(");\n")
    return json.loads(text.removeprefix(start).removesuffix(");\n"))


def test_the_page_is_well_formed_and_needs_only_its_folder(audited, text):
    html = Collector()
    html.feed(text)
    assert html.open == []
    out = audited / "audit"
    files = [r for r in html.references if not r.startswith("#")]
    assert len(files) > 7 and all((out / name).is_file() for name in files)
    assert not re.search(r"https?://|@import|url\(", text)
    for script in (out / "static").iterdir():
        assert not re.search(r"https?://(?!www.w3.org/2000/svg)|innerHTML", script.read_text())


def test_the_table_holds_every_clip_with_its_verdict(audited):
    report = gather(audited)
    table = data(audited, "table")
    columns = {column["name"]: column for column in table["columns"]}
    assert table["clips"] == [clip["clip_id"] for clip in report.clips] and len(report.routes) == 6
    verdict = columns["verdict"]
    assert [verdict["choices"][v] for v in verdict["values"]].count("rejected") == 2
    assert columns["why"]["values"].count("turns 60 deg/s > 50 deg/s") == 2
    assert columns["reasons"]["choices"] == ["bad"]
    assert columns["turn_max_deg_s"]["bounds"] == [None, 50]
    turns = data(audited, "columns/turn_max_deg_s")
    assert turns == [pytest.approx(clip["turn_max_deg_s"], rel=1e-3) for clip in report.clips]
    assert data(audited, "columns/caption") == [clip["caption"] for clip in report.clips]


def test_a_clip_links_to_its_page_once_that_is_there(audited, tmp_path):
    dataset = Path(shutil.copytree(audited, tmp_path / "box"))
    report = gather(dataset)
    key = folder.page_key(report.routes[1].id)
    folder.write_data(dataset / "audit", folder.page_name(key), {})
    folder.write_data(dataset / "audit", folder.page_name("00" * 8), {})
    audit.write(dataset)
    pages = data(dataset, "table")["pages"]
    mine = {clip["clip_id"] for clip in report.routes[1].clips}
    assert [page == key for page in pages] == [clip["clip_id"] in mine for clip in report.clips]
    assert set(pages) == {key, None}
    assert not (dataset / "audit" / "data" / f"{folder.page_name('00' * 8)}.js").exists()


def test_pictures_that_no_page_shows_are_removed(audited, tmp_path):
    out = Path(shutil.copytree(audited, tmp_path / "box")) / "audit"
    shown, unused = (folder.write_picture(out, content) for content in (b"shown", b"unused"))
    (out / "pictures" / "mine.jpg").write_bytes(b"of somebody else")
    key = folder.page_key(gather(audited).routes[0].id)
    folder.write_data(out, folder.page_name(key), {"sheet": {"picture": shown}})
    audit.write(out.parent)
    left = {f"pictures/{picture.name}" for picture in (out / "pictures").iterdir()}
    assert shown in left and unused not in left and "pictures/mine.jpg" in left
    folder.write_data(out, folder.page_name(key), {})
    audit.write(out.parent)
    assert not (out / shown).exists()


def test_the_page_says_what_was_decided_and_by_which_check(text):
    assert "Pose, depth, colour and time agree." in text
    assert "<b>4</b> kept" in text and "<b>2</b> rejected" in text
    assert '<button type="button" class="link" data-column="reasons" data-value="bad">' in text


def test_text_from_scene_cards_is_escaped(text):
    assert "A &lt;b&gt;box&lt;/b&gt; &amp; more" in text


def test_what_cannot_be_used_is_said_in_words(text):
    assert "0123456789abcdef" in text
    assert "no finished episode" in text


def test_the_numbers_are_there_for_machines(audited):
    said = json.loads((audited / "audit" / "audit.json").read_text())
    assert (said["clips"], said["kept"], said["trajectories"]) == (6, 4, 6)
    assert said["agreement"]["disagreeing_clips"] == []
    assert said["agreement"]["inlier_min"] > 0.95
    assert sum(said["rejected_by"].values()) == 2
    assert said["metrics"]["turn_max_deg_s"]["max"] == pytest.approx(60)
    assert said["actions"]["static"] > 0
    assert list(said["problems"]) == ["0123456789abcdef", "fedcba9876543210"]
    assert said["problems"]["fedcba9876543210"] == "was given up: lost; too dark"
    assert sum(split["kept"] for split in said["splits"].values()) == 4


def test_action_by_speed_counts_the_kept_frames(audited):
    report = gather(audited)
    found = numbers.balance(report)
    kept = [clip for clip in report.clips if clip["keep"]]
    frames = sum(clip["stop"] - max(clip["start"], 1) for clip in kept)
    shares = np.mean([clip["action_shares"] for clip in kept], axis=0)
    assert found.sum(axis=1) / frames == pytest.approx(shares, abs=0.01)


def test_the_funnel_tells_what_each_check_takes_away():
    broken = [set(), {"a"}, {"a", "b"}, {"b"}, {"a"}]
    assert numbers.funnel(broken) == [
        {"name": "a", "count": 3, "alone": 2, "left": 2},
        {"name": "b", "count": 2, "alone": 1, "left": 1},
    ]


def test_the_same_dataset_gives_the_same_folder(audited, tmp_path):
    def content(out: Path) -> dict[str, bytes]:
        return {str(f.relative_to(out)): f.read_bytes() for f in out.rglob("*.*") if f.is_file()}

    before = content(audited / "audit")
    dataset = Path(shutil.copytree(audited, tmp_path / "box"))
    shutil.rmtree(dataset / "audit")
    audit.write(dataset)
    assert content(dataset / "audit") == before and len(before) > 60


def test_sections_fit_into_one_file(audited):
    parts = [*audit.sections(audited), audit.Section("Training curve", "<p>down</p>")]
    text = page.single("A & B", "both", parts)
    html = Collector()
    html.feed(text)
    assert html.open == [] and all(r.startswith(("#", "data:image/")) for r in html.references)
    assert "<title>A &amp; B</title>" in text
    assert 'href="#training-curve"' in text
    assert "<p>down</p>" in text


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
    drawn = charts.histogram(kept, rejected, [2.0], metric="a<b")
    counted = [int(n) for n in re.findall(r": (\d+) (?:keep|reject)", drawn)]
    assert sum(counted) == len(values) + 1 and 'data-metric="a&lt;b"' in drawn
    assert "nan" not in drawn
