from __future__ import annotations

import threading

import pytest

from capture.background import Background


def test_calls_run_in_their_order_and_bring_results():
    background, seen = Background(3), []
    futures = [background.do(seen.append, k) for k in range(20)]
    answer = background.do(lambda: len(seen))
    background.wait()
    assert seen == list(range(20))
    assert answer.result() == 20
    assert all(future.done() for future in futures)
    background.close()


def test_the_caller_waits_when_too_much_is_pending():
    background, gate, third = Background(2), threading.Event(), threading.Event()

    def caller():
        for _ in range(3):
            background.do(gate.wait)
        third.set()

    thread = threading.Thread(target=caller)
    thread.start()
    assert not third.wait(0.1)
    gate.set()
    assert third.wait(10)
    thread.join()
    background.close()


def test_an_error_comes_out_once():
    background = Background(2)
    background.do(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        background.wait()
    background.wait()
    background.close()
