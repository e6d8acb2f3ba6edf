from __future__ import annotations

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
