"""The report in a real browser, from disk: what is seen, filtered, sorted and decided."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from big_report import HOSTILE, big_report
from browser import Browser, Page

from capture.formats import Clips
from curation import audit
from curation.audit import findings, folder, numbers, outside, table
from curation.audit.data import Report
from curation.audit.item import audit_item
from curation.decide import Decision, load_decisions

pytestmark = pytest.mark.slow

CLIPS = 300
READY = "document.documentElement.classList.contains('scripted')"
ROWS = "[...document.querySelectorAll('.clips tbody tr:not(.gap)')]"


@pytest.fixture(scope="module")
def report() -> Report:
    return big_report(CLIPS)


@pytest.fixture(scope="module")
def index(report: Report, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("report")
    audit.publish(report, out)
    key = folder.page_key(report.routes[0].id)
    folder.write_data(out, folder.page_name(key), {})
    return audit.publish(report, out)


@pytest.fixture
def page(chromium: Browser, index: Path) -> Iterator[Page]:
    page = chromium.page()
    page.open(index, ready=READY)
    yield page
    page.run("localStorage.clear()")
    page.close()


def count(page: Page) -> str:
    return str(page.run("document.querySelector('.count').textContent"))


def clips_seen(page: Page) -> list[str]:
    return page.run(f"{ROWS}.map((row) => row.querySelector('a').textContent)")  # pyright: ignore


def test_the_browser_sees_what_is_wrong_with_a_page(chromium: Browser, tmp_path: Path):
    (tmp_path / "page.html").write_text(
        "<!doctype html><script src='gone.js'></script><img src='http://127.0.0.1:9/a.png'>"
        "<script>console.error('so', 7); throw new Error('broken')</script>"
    )
    page = chromium.page()
    page.open(tmp_path / "page.html")
    said = "\n".join(page.errors())
    assert "Error: broken" in said and "so 7" in said and "ERR_FILE_NOT_FOUND" in said
    assert "asked for http://127.0.0.1:9/a.png" in said


def test_it_opens_from_disk_without_an_error_and_draws_few_rows(page: Page):
    assert page.errors() == [] and count(page) == f"{CLIPS} of {CLIPS} clips"
    assert 10 < len(clips_seen(page)) < 60
    assert page.run("document.querySelector('.clips').offsetHeight") >= CLIPS * 36


def test_scrolling_comes_to_every_clip(page: Page, report: Report):
    page.run("document.querySelector('.rows').scrollTop = 1e9")
    last = report.clips[-1]["clip_id"]
    page.wait(f"{ROWS}.at(-1).querySelector('a').textContent === '{last}'")
    assert len(clips_seen(page)) < 60


def test_a_metric_is_loaded_sorted_and_bounded(page: Page, report: Report):
    page.run(
        "(() => { const s = document.querySelector('.adder'); s.value = 'turn_max_deg_s'; "
        "s.dispatchEvent(new Event('change')); })()"
    )
    page.wait("document.querySelector('.col-turn_max_deg_s')")
    page.click("thead .col-turn_max_deg_s button")
    turns = np.array([clip["turn_max_deg_s"] for clip in report.clips])
    fastest = report.clips[int(turns.argmax())]["clip_id"]
    page.wait(f"{ROWS}[0].querySelector('a').textContent === '{fastest}'")
    cell = page.run(f"{ROWS}[0].querySelector('.col-turn_max_deg_s').textContent")
    assert cell == f"{turns.max():.3g} ↑"  # beyond the bound, and told without colour
    page.type(".range[data-name=turn_max_deg_s] input", "85")
    expected = sum(float(f"{turn:.4g}") >= 85 for turn in turns)
    page.wait(f"document.querySelector('.count').textContent.startsWith('{expected} of')")
    # Twice more: the other way round, and as it was.
    page.click("thead .col-turn_max_deg_s button")
    slowest = report.clips[int(np.where(turns.round(2) >= 85, turns, np.inf).argmin())]["clip_id"]
    page.wait(f"{ROWS}[0].querySelector('a').textContent === '{slowest}'")
    page.click("thead .col-turn_max_deg_s button")
    page.wait("!location.hash.includes('sort')")


def test_what_is_unknown_comes_last_either_way(page: Page, report: Report):
    for direction in ("", "-"):
        page.run(f"location.hash = 'sort={direction}new_m2'")
        page.wait("document.querySelector('thead .col-new_m2')?.ariaSort")
        assert page.run(f"{ROWS}[0].querySelector('.col-new_m2').textContent") != "\u2013"
        page.run("document.querySelector('.rows').scrollTop = 1e9")
        page.wait(f"{ROWS}.at(-1).querySelector('.col-new_m2').textContent === '\\u2013'")


def test_reasons_bars_and_scenes_filter_the_table(page: Page, report: Report):
    step = numbers.funnel(numbers.causes(report))[0]
    page.click(".causes button")
    page.wait(f"document.querySelector('.count').textContent.startsWith('{step['count']} of')")
    page.click(".controls .count + button")
    page.wait(f"document.querySelector('.count').textContent.startsWith('{CLIPS} of')")
    page.click("#scenes button[data-column=scene]")
    first = sum(clip["scene_id"] == "town-000" for clip in report.clips)
    page.wait(f"document.querySelector('.count').textContent.startsWith('{first} of')")
    page.click(".controls .count + button")
    bar = page.run(
        "(() => { const bar = document.querySelector('#measurements [data-metric=speed_max_m_s]'); "
        "bar.dispatchEvent(new MouseEvent('click', {bubbles: true})); "
        "return [...bar.querySelectorAll('title')].map((one) => one.textContent); })()"
    )
    assert isinstance(bar, list)
    held = sum(int(said.split(": ")[1].split()[0]) for said in bar)
    page.wait(f"document.querySelector('.count').textContent.startsWith('{held} of')")


def test_the_address_keeps_what_is_shown(page: Page, index: Path):
    page.type(".controls input[type=search]", "town-001 whip")
    page.wait("location.hash.includes('text')")
    said, anchor = count(page), str(page.run("location.hash"))
    assert not said.startswith((f"{CLIPS} of", "0 of"))
    page.open(index, anchor, ready=READY)
    assert count(page) == said
    page.open(index, "#is.nothing=1&sort=none&show=,&min.scene=x", ready=READY)
    assert count(page).startswith("0 of") or page.errors() == []


def test_decisions_are_kept_and_downloaded(page: Page, report: Report, index: Path, tmp_path: Path):
    before, mine, other = (report.clips[n]["clip_id"] for n in (0, 1, 2))
    lines = ".clips tbody:nth-of-type(2) tr:nth-child({})"
    assert page.run(f"document.querySelector('{lines.format(1)} .reject').ariaPressed") == "true"
    page.click(lines.format(2) + " .keep")
    page.type(lines.format(2) + " .note", 'worth "it" <i>')
    page.click(lines.format(3) + " .reject")
    page.open(index, ready=READY)  # the browser remembers
    assert page.run(f"document.querySelector('{lines.format(2)} .note').value") == 'worth "it" <i>'
    page.downloads(tmp_path)
    page.click(".decisions .main")
    target = tmp_path / "decisions.jsonl"
    until = time.monotonic() + 60
    while not target.is_file() and time.monotonic() < until:
        page.run("1")
        time.sleep(0.05)
    assert load_decisions(target) == {
        before: Decision(clip_id=before, keep=False, note="a <b>lamp</b>"),
        mine: Decision(clip_id=mine, keep=True, note='worth "it" <i>'),
        other: Decision(clip_id=other, keep=False),
    }
    page.click(lines.format(1) + " .reject")  # once more: the rules decide
    assert before not in str(page.run("new Decisions({report: 'x', decisions: []}).text()"))
    page.click(".decisions button:nth-of-type(3)")  # take back
    assert "No new decisions" in str(page.run("document.querySelector('.decisions').textContent"))
    assert page.run("localStorage.length") == 0 and page.errors() == []


def test_decisions_of_somebody_else_are_taken_over_or_refused(page: Page):
    made = "new Decisions({report: 'y', decisions: [['a', true, '']]})"
    lines = '{"clip_id": "b", "keep": false, "note": "dark"}\\n\\n{"clip_id": "a", "keep": true}\\n'
    said = page.run(
        f"(() => {{ const d = {made}; return [d.take('{lines}'), d.changed, d.text()] }})()"
    )
    assert said == [
        2, 1,
        '{"clip_id":"a","keep":true}\n{"clip_id":"b","keep":false,"note":"dark"}\n',
    ]  # fmt: skip
    with pytest.raises(RuntimeError, match="every line needs a clip_id"):
        page.run(f'{made}.take(\'{{"clip_id": "b"}}\')')


def test_keys_choose_and_decide(page: Page, report: Report):
    page.run(
        "(() => { const view = document.querySelector('.rows'); view.focus(); "
        "for (const key of ['ArrowDown', 'ArrowDown', 'r']) "
        "view.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true})); })()"
    )
    line = "document.querySelector('.clips tr.chosen')"
    assert page.run(f"{line}.querySelector('a').textContent") == report.clips[1]["clip_id"]
    assert page.run(f"{line}.querySelector('.reject').ariaPressed") == "true"


def test_text_of_the_dataset_stays_text(page: Page, report: Report):
    page.run("location.hash = 'show=caption'")
    page.wait("document.querySelector('tbody .col-caption')")
    caption = page.run(f"{ROWS}[0].querySelector('.col-caption').textContent")
    assert caption == report.clips[0]["caption"] and HOSTILE in str(caption)
    assert page.run("document.querySelectorAll('img[src=x], .clips b, script[src=x]').length") == 0
    assert HOSTILE[1:].replace("\u2028", " ") in str(
        page.run("document.querySelector('#scenes').textContent.replace(/\\u2028/g, ' ')")
    )
    assert page.errors() == []


def test_rows_link_to_the_pages_that_are_there(page: Page, report: Report):
    links = page.run(
        f"{ROWS}.slice(0, 3).map((row) => row.querySelector('a').getAttribute('href'))"
    )
    key, first = folder.page_key(report.routes[0].id), report.clips[0]["clip_id"]
    assert isinstance(links, list) and links[0] == f"clip.html#{key}/{first}"
    assert links[1].startswith(f"clip.html#{key}/") and links[2] is None


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (400, False)])
def test_it_fits_narrow_screens_and_dark_rooms(page: Page, index: Path, width: int, dark: bool):
    page.look(width, 900, dark=dark)
    page.open(index, ready=READY)
    assert page.run("document.documentElement.scrollWidth") == width
    ink, paper = (
        sum(map(int, str(page.run(f"getComputedStyle(document.body).{name}"))[4:-1].split(",")))
        for name in ("color", "backgroundColor")
    )
    assert (ink > paper) is dark and abs(ink - paper) > 450


def test_hostile_names_of_other_datasets_can_be_seen_and_decided(chromium: Browser, tmp_path: Path):
    def load(entry: str):
        raise ValueError(f"{entry}: {HOSTILE}")

    names = [HOSTILE, "no\udcffUTF-8", "=cmd()", "__proto__", ""]
    clips = Clips(tuple(names), load)
    items = [audit_item(clips, n, tmp_path) for n in range(len(names))]
    out = tmp_path / "out"
    for item in items:
        folder.write_data(out, folder.page_name(table.item_key(item)), {})
    said = findings.summarise(items, name=HOSTILE, format="test", title=HOSTILE)
    page = chromium.page()
    page.open(outside.write(said, out), ready=READY)
    assert clips_seen(page) == [item["place"] for item in items]
    for n in range(1, len(items) + 1):
        page.click(f".clips tbody:nth-of-type(2) tr:nth-child({n}) .reject")
    target = tmp_path / "decisions.jsonl"
    target.write_text(str(page.run("localStorage[localStorage.key(0)]")))
    decided = {clip: said["keep"] for clip, said in json.loads(target.read_text())}
    assert decided == {item["place"]: False for item in items} and page.errors() == []
    assert b"no\xffUTF-8" in (out / "rejects.txt").read_bytes()
    page.run("localStorage.clear()")


def test_a_folder_that_is_not_whole_says_so(chromium: Browser, index: Path, tmp_path: Path):
    (tmp_path / "index.html").write_bytes(index.read_bytes())
    (tmp_path / "static").symlink_to(index.parent / "static")
    page = chromium.page()
    page.open(tmp_path / "index.html", ready="document.querySelector('.reasons')")
    said = str(page.run("document.querySelector('#clips-table').textContent"))
    assert "data/about.js is not in this report. Keep the whole folder together." in said
