"""The page of a trajectory in a real browser, from disk: looked at, pointed at, decided on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, Page
from page_dataset import WHIP, page_dataset

from capture.formats import Clips
from curation.audit import folder, table, trajectory
from curation.audit.item import audit_item

pytestmark = pytest.mark.slow

READY = "document.querySelectorAll('main section').length > 0"
NOW = "document.querySelector('.viewer .now').textContent"
PLACE = "document.querySelector('.way-on span')?.textContent"
HOSTILE = '</script><img src=x onerror="window.hacked = 1">'


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> tuple[Path, str, str]:
    """A report of pages: of a whip pan, and of a hostile name that cannot be read."""
    dataset, _, bad = page_dataset(tmp_path_factory.mktemp("clip") / "box")
    out = dataset / "audit"
    folder.write_static(out)
    about = {"report": "0" * 16, "dataset": HOSTILE, "kind": "episodes", "decisions": []}
    folder.write_data(out, "about", about)
    trajectory.write_episode(bad, dataset=dataset, out=out)

    def load(_):
        raise ValueError(f"{HOSTILE} is cut short")

    clips = Clips((HOSTILE,), load)
    item = audit_item(clips, 0, out)
    trajectory.write_item(item, clips=clips, out=out, source="1")
    keys = [folder.page_key(bad), folder.page_key(bad), table.item_key(item), "0" * 16]
    luma = table.Column(name="luma", label="Luma", kind="number", values=[9, 7, 8, 6], shown=False)
    names = ("a", "b", HOSTILE, "without a page")
    table.write(table.Table(clips=names, keys=keys, columns=[luma]), out)
    return out, folder.page_key(bad), table.item_key(item)


@pytest.fixture
def page(chromium: Browser, report) -> Iterator[Page]:
    page = chromium.page()
    page.open(report[0] / "clip.html", f"#{report[1]}", READY)
    yield page
    assert page.errors() == []
    page.run("localStorage.clear()")
    page.close()


def move(page: Page, selector: str, across: float, kind: str = "mouseMoved", **more) -> None:
    """A real mouse over an element, at a share of its width."""
    place = page.run(
        f"(() => {{ const r = document.querySelector({json.dumps(selector)})"
        f".getBoundingClientRect(); return [r.x + {across} * r.width, r.y + r.height / 2]; }})()"
    )
    assert isinstance(place, list)
    page.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], **more)


def test_the_page_shows_everything(page: Page):
    titles = page.run("[...document.querySelectorAll('h2')].map(h => h.textContent)")
    assert titles == ["Over time", "Verdict", "Pictures", "Seen twice"]
    names = page.run(
        "[...document.querySelectorAll('.timelines > .curve .name')].map(n => n.textContent)"
    )
    for wanted in ("Speed m/s", "Turn rate deg/s", "Jerk m/s³", "Mean luma levels"):
        assert wanted in names
    assert page.run("document.querySelectorAll('table.rules tbody tr').length") > 30
    assert page.run("document.querySelector('table.rules tbody tr').className") == "broken"
    assert page.run("document.querySelectorAll('.sheet .picture.bad').length") >= 1
    assert page.run("document.querySelector('.eyebrow').textContent") == f"{HOSTILE} · trajectory"
    assert page.run("window.hacked") is None


def test_a_bad_span_leads_to_its_frame(page: Page):
    page.click(".timelines .rule .link")
    assert f"Frame {WHIP[0]}" <= str(page.run(NOW)) <= f"Frame {WHIP[1]} z"
    assert "whip pan" in str(page.run("document.querySelector('.viewer .reasons').textContent"))
    page.click("table.rules tr.broken .link")
    assert page.run("document.querySelector('.sheet .now').classList.contains('bad')")


def test_pointing_shows_a_frame_and_a_click_stays_there(page: Page):
    page.run("document.querySelector('.curve').scrollIntoView({block: 'center'})")
    move(page, ".curve .plot", 0.25)
    assert str(page.run(NOW)).startswith("Frame 24 · 1.50 s · clip 1 (rejected)")
    assert page.run("!document.querySelector('.peek').hidden")
    move(page, ".curve .name", 0.5)
    for kind in ("mousePressed", "mouseReleased"):
        move(page, ".curve .plot", 0.5, kind, button="left", clickCount=1)
    for key in ("ArrowRight", "ArrowRight"):
        page.send("Input.dispatchKeyEvent", type="keyDown", key=key)
    assert str(page.run(NOW)).startswith("Frame 50 ")


def test_a_picture_leads_to_its_frame(page: Page):
    page.click(".sheet .picture[data-frame='64']")
    assert str(page.run(NOW)).startswith("Frame 64 ")
    assert page.run("document.querySelector('.sheet .now').dataset.frame") == "64"


def test_the_path_turns_and_takes_the_colours_of_a_curve(page: Page):
    page.run("document.querySelector('canvas.space').focus()")
    before = page.run("document.querySelector('.scale').textContent")
    page.run(
        "(() => { const m = document.querySelector('.way select'); m.value = 'luma_mean';"
        "m.dispatchEvent(new Event('change')); })()"
    )
    after = str(page.run("document.querySelector('.scale').textContent"))
    assert after != before and after.endswith("levels")
    first = page.send("Page.captureScreenshot", format="png")
    page.send("Input.dispatchKeyEvent", type="keyDown", key="ArrowLeft")
    page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.send("Page.captureScreenshot", format="png") != first


def test_a_decision_is_kept_and_counted(page: Page):
    page.click(".verdict-card .decide.keep")
    said = "document.querySelector('.decisions [role=status]').textContent"
    assert str(page.run(said)).startswith("1 new decision")
    stored = page.run("localStorage.getItem(localStorage.key(0))")
    assert json.loads(str(stored))[0][1]["keep"] is True


def test_it_goes_on_as_the_table_is_sorted_and_filtered_and_back(page: Page, report):
    """Without an order the two clips of one trajectory are one stop, sorted they are apart."""
    page.wait(f"{PLACE} === '1 of 2'")
    page.click(".way-on [rel=next]")
    page.wait(f"{PLACE} === '2 of 2'")
    assert str(page.run("location.hash")).startswith(f"#{report[2]}/")
    assert page.run("document.querySelector('.way-on [rel=next]')") is None
    page.open(report[0] / "clip.html", f"#{report[1]}/a/sort=-luma", f"{PLACE} === '1 of 3'")
    for place in (2, 3):
        page.send("Input.dispatchKeyEvent", type="keyDown", key="n")
        page.wait(f"{PLACE} === '{place} of 3' && ({READY})")
    assert str(page.run("location.hash")).startswith(f"#{report[1]}/b/")
    page.send("Input.dispatchKeyEvent", type="keyDown", key="p")
    page.wait(f"{PLACE} === '2 of 3'")
    back = page.run("document.querySelector('.eyebrow a').getAttribute('href')")
    assert back == "index.html#sort=-luma&show=luma"
    page.open(report[0] / "clip.html", f"#{report[1]}/a/max.luma=8", PLACE)
    assert page.run(PLACE) == "1 of 2"  # by its other clip


def test_what_cannot_be_read_is_said_as_text(chromium: Browser, report):
    page = chromium.page()
    page.open(report[0] / "clip.html", f"#{report[2]}", READY)
    text = f"{HOSTILE} is cut short"
    assert page.run("document.querySelector('.problem').textContent") == text
    assert page.run("window.hacked") is None
    assert page.errors() == []
    page.close()


@pytest.mark.parametrize("anchor", ["", "#../../etc/passwd", "#0123456789abcdef"])
def test_an_address_that_names_nothing_says_so(chromium: Browser, report, anchor):
    page = chromium.page()
    page.open(report[0] / "clip.html", anchor, "document.querySelector('main .problem')")
    assert "cannot be shown" in str(page.run("document.querySelector('main').textContent"))
    page.close()
