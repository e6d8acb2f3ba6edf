"""How long the report takes to write, to open, to sort and to filter, by the number of clips.

    PYTHONPATH=tests python tests/benchmarks/bench_report.py --clips 1000 10000

A dataset that nobody rendered (tests/big_report.py), in a headless Chromium from disk. Opening is
wall time from the navigation until the table is there. All else in the browser is what the page's
main thread is busy with (TaskDuration of the DevTools protocol) from an action until the frame
after the next is drawn. Medians of seven. Writing is CPU time of Python.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from big_report import big_report
from browser import Browser, Page, running

from curation import audit

ROUNDS = 7
READY = "document.documentElement.classList.contains('scripted')"
_SEARCH = "document.querySelector('.controls input[type=search]')"
_ACTIONS = {
    "sort by name": "document.querySelector('thead .col-clip button').click()",
    "sort by length": "document.querySelector('thead .col-seconds button').click()",
    "search a word": f"{_SEARCH}.value = {_SEARCH}.value ? '' : 'town-01'; "
    f"{_SEARCH}.dispatchEvent(new Event('input'))",
    "filter by a reason": "document.querySelector('.causes button').click()",
    "show all": "document.querySelector('.controls .count + button').click()",
    "scroll by a screen": "document.querySelector('.rows').scrollTop += 600",
    "jump to the end": "document.querySelector('.rows').scrollTop = "
    "document.querySelector('.rows').scrollTop ? 0 : 1e9",
}
_WATCH = (
    "new MutationObserver((_, watch) => { if (document.documentElement.classList.contains("
    "'scripted')) { window.readyAt = performance.now(); watch.disconnect(); } })"
    ".observe(document, {subtree: true, attributes: true, attributeFilter: ['class']})"
)
_FRAME = "await new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[100, 1000, 10000])
    chosen = parser.parse_args()
    columns = {}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "profile") as browser:
        for clips in chosen.clips:
            columns[clips] = measured(browser, Path(folder) / str(clips), clips)
    print(f"| | {' | '.join(f'{clips:,} clips' for clips in columns)} |")
    print(f"|---|{'---|' * len(columns)}")
    for row in next(iter(columns.values())):
        print(f"| {row} | {' | '.join(column[row] for column in columns.values())} |")


def measured(browser: Browser, out: Path, clips: int) -> dict[str, str]:
    """A column of the table."""
    report = big_report(clips, num_scenes=max(clips // 30, 1))
    start = time.process_time()
    index = audit.publish(report, out)
    found = {"write, s of CPU": f"{time.process_time() - start:.1f}"}
    loaded = [index, *(out / "static").iterdir(), out / "data/table.js", out / "data/about.js"]
    found["loaded on opening, MB"] = f"{sum(file.stat().st_size for file in loaded) / 1e6:.2f}"
    page = browser.page()
    page.send("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
    opened = []
    for _ in range(ROUNDS):
        page.open(index, ready=READY)
        opened.append(float(str(page.run("window.readyAt"))))
    found["open, ms"] = f"{statistics.median(opened):.0f}"
    for name, script in _ACTIONS.items():
        took = [acted(page, script) for _ in range(ROUNDS)]
        found[f"{name}, ms"] = f"{statistics.median(took):.0f}"
    heap = page.send("Runtime.getHeapUsage")["usedSize"]
    found["script memory, MB"] = f"{heap / 1e6:.0f}"
    found["elements"] = f"{page.run('document.querySelectorAll(`*`).length'):,}"
    assert page.errors() == []
    page.close()
    return found


def acted(page: Page, script: str) -> float:
    """Milliseconds of the main thread for an action, until it is drawn."""
    before = busy_ms(page)
    page.run(f"(async () => {{ {script}; {_FRAME} }})()")
    return busy_ms(page) - before


def busy_ms(page: Page) -> float:
    """What the main thread has been busy with so far."""
    page.send("Performance.enable", timeDomain="threadTicks")
    metrics = page.send("Performance.getMetrics")["metrics"]
    return 1000 * next(one["value"] for one in metrics if one["name"] == "TaskDuration")


if __name__ == "__main__":
    main()
