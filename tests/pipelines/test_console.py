from __future__ import annotations

import pytest

from pipelines import console


def test_plain_progress_speaks_now_and_then(monkeypatch, capsys):
    now = iter(range(0, 1000, 2))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    with console.bar("Render", 10, "frames") as bar:
        for done in range(1, 11):
            bar.update(done)
    lines = capsys.readouterr().out.splitlines()
    assert 2 <= len(lines) <= 6
    assert all(line.startswith("Render: ") and "/10 frames" in line for line in lines)
    assert lines[-1] == "Render: 9/10 frames, 0.5 a second, about 2 s left"


def test_plain_progress_does_not_repeat_itself(monkeypatch, capsys):
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    with console.bar("Plan", 2, "scenes") as bar:
        for _ in range(5):
            bar.update(0)
    assert capsys.readouterr().out == "Plan: 0/2 scenes\n"


@pytest.mark.parametrize(
    ("left_s", "said"),
    [(90, "90 s"), (720, "12 min"), (8_720, "2 h 25 min"), (11_100, "3 h 05 min")],
)
def test_time_left_is_said_as_people_say_it(monkeypatch, capsys, left_s, said):
    times = iter((0.0, 0.0, 10.0))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(times))
    with console.bar("Capture", 10 + left_s, "frames") as bar:
        bar.update(0)
        bar.update(10)
    assert f"1 a second, about {said} left" in capsys.readouterr().out


def test_the_rate_is_that_of_the_last_minute(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    with console.bar("Capture", 100_000, "frames") as bar:
        bar.update(0)
        now = 1000.0  # engines start, a renderer is compiled
        for done in range(0, 4000, 10):
            bar.update(done)
            now += 1.0
    assert ", 10 a second, about 2 h 40 min left" in capsys.readouterr().out.splitlines()[-1]
