"""Captioners against a small endpoint that misbehaves as real ones do."""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from box_room import box_plan

from capture.scene import Scene
from curation.caption import base, card, lint, registry, score, table
from curation.caption.base import Draft, Refused, Shot
from curation.caption.endpoint import Endpoint, data_uri

GOOD = "A bare room with striped walls. The floor is grey."


class Server(ThreadingHTTPServer):
    """Answers each request with the next of its replies, the last one for ever."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: list[tuple[int, object]] = [(200, said(GOOD))]
        self.headers_out: dict[str, str] = {}
        self.seen: list[dict] = []
        self.keys: list[str | None] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.seen.append({"path": self.path, **body})
            self.server.keys.append(self.headers.get("Authorization"))
            many = len(self.server.replies) > 1
            status, reply = self.server.replies.pop(0) if many else self.server.replies[0]
        content = json.dumps(reply).encode() if not isinstance(reply, bytes) else reply
        self.send_response(status)
        for name, value in self.server.headers_out.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def said(text: str, finish: str = "stop", **message: str) -> dict:
    choice = {"message": {"content": text, **message}, "finish_reason": finish}
    return {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 20}}


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def endpoint(server: Server, **changes) -> tuple[Endpoint, list[float]]:
    waits: list[float] = []
    made = Endpoint(url=server.url, model="tiny", num_images=2, sleep=waits.append, timeout_s=5)
    return dataclasses.replace(made, **changes), waits


def shot(name: str = "clip") -> Shot:
    def frames(count: int) -> np.ndarray:
        return np.full((count, 16, 24, 3), (200, 30, 90), np.uint8)

    scene = Scene(name="x", bounds_m=(0,) * 6, setting="a room", labels={"a": "blue sofa"})
    return Shot(
        clip_id=name, scene=scene, view=card.View(place=None, objects={"a": 0.3}), frames=frames
    )


# -- the endpoint --------------------------------------------------------------------------------


def test_it_sends_the_prompt_and_pictures_that_can_be_read(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    draft = endpoint(server)[0].draft(shot())
    assert draft == Draft(text=GOOD, tokens_in=100, tokens_out=20, requests=1)
    (request,) = server.seen
    assert request["path"] == "/v1/chat/completions" and request["model"] == "tiny"
    text, *pictures = request["messages"][0]["content"]
    assert text["text"] == base.PROMPT and len(pictures) == 2
    uri = pictures[0]["image_url"]["url"]
    coded = np.frombuffer(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,")), np.uint8)
    rgb = cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(rgb.astype(int) - (200, 30, 90)).max() < 12
    assert server.keys == ["Bearer secret"]
    assert "secret" not in base.prompt_hash(endpoint(server)[0])


def test_pictures_are_made_smaller_than_the_limit():
    coded = base64.b64decode(data_uri(np.zeros((720, 1280, 3), np.uint8)).split(",")[1])
    assert cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR).shape == (576, 1024, 3)


def test_a_busy_server_is_asked_again_later_and_later(server):
    server.replies = [(429, b"slow"), (503, b"busy"), (500, b"oops"), (200, said(GOOD))]
    made, waits = endpoint(server)
    draft = made.draft(shot())
    assert (draft.text, draft.requests, waits) == (GOOD, 4, [1.0, 2.0, 4.0])


def test_it_waits_as_long_as_the_server_asks(server):
    server.replies, server.headers_out = [(429, b""), (200, said(GOOD))], {"Retry-After": "7"}
    made, waits = endpoint(server)
    made.draft(shot())
    assert waits == [7.0]


def test_a_server_that_stays_busy_or_away_is_an_error_of_that_clip(server):
    server.replies = [(503, b"busy")]
    made, waits = endpoint(server, attempts=3)
    done = base.caption(made, shot())
    assert done.status == "error" and "answered 503: busy, 3 times" in done.detail
    assert waits == [1.0, 2.0]
    away, _ = endpoint(server, url="http://127.0.0.1:9/v1", attempts=2)
    assert "does not answer" in base.caption(away, shot()).detail


def test_a_wrong_key_ends_it_at_once(server):
    server.replies = [(401, b"who are you")]
    made, waits = endpoint(server)
    with pytest.raises(Refused, match="OPENAI_API_KEY"):
        base.caption(made, shot())
    assert not waits


def test_newer_models_get_the_limit_by_its_newer_name(server):
    server.replies = [(400, b"use max_completion_tokens instead"), (200, said(GOOD))]
    assert endpoint(server)[0].draft(shot()).text == GOOD
    assert "max_tokens" in server.seen[0] and "max_completion_tokens" in server.seen[1]


@pytest.mark.parametrize(
    ("reply", "status", "text"),
    [
        (said("A room with a tab", "length"), "truncated", "A room with a tab"),
        (said("", "content_filter"), "blocked", ""),
        (said("", refusal="I will not"), "blocked", ""),
        (said("", "stop") | {"usage": None}, "success", ""),
    ],
)
def test_how_it_ended_is_kept(server, reply, status, text):
    server.replies = [(200, reply)]
    draft = endpoint(server)[0].draft(shot())
    assert (draft.status, draft.text) == (status, text)


@pytest.mark.parametrize("reply", [{}, {"choices": []}, [], b"<html>", {"choices": [{}]}])
def test_answers_that_are_none_are_errors_in_words(server, reply):
    server.replies = [(200, reply)]
    done = base.caption(endpoint(server)[0], shot())
    assert done.status == "error" and done.detail and not done.text


def test_endpoints_without_meaning_are_refused():
    with pytest.raises(ValueError, match="is a URL"):
        Endpoint(url="file:///etc/passwd", model="x")
    with pytest.raises(ValueError, match="--model"):
        Endpoint(url="http://localhost/v1", model="")


# -- checking and repairing ----------------------------------------------------------------------


def test_a_caption_about_the_camera_is_asked_for_again_with_the_reason(server):
    server.replies = [(200, said("The camera pans left.")), (200, said(GOOD))]
    done = base.caption(endpoint(server)[0], shot())
    assert (done.text, done.short, done.dropped) == (GOOD, "A bare room with striped walls.", ())
    assert (done.requests, done.tokens_in, done.tokens_out) == (2, 200, 40)
    assert "'camera'" in server.seen[1]["messages"][0]["content"][0]["text"]


def test_what_is_wrong_twice_is_dropped(server):
    server.replies = [(200, said(f"{GOOD} The camera moves forward. A lamp hangs above."))]
    done = base.caption(endpoint(server)[0], shot())
    assert done.text == f"{GOOD} A lamp hangs above."
    assert done.dropped == ("The camera moves forward.",)
    assert len(server.seen) == 2


def test_loops_and_endless_captions_are_cut():
    loop = "A red chair stands there. " * 20
    assert lint.repeated_share(loop) > 0.8 and lint.faults(loop)
    assert lint.repair(loop).text == "A red chair stands there."
    rng = np.random.default_rng(0)
    endless = " ".join(f"Thing {a} lies by {b}." for a, b in rng.integers(0, 10**6, (100, 2)))
    assert lint.num_words(lint.repair(endless).text) <= lint.MAX_WORDS
    assert lint.repair("A room. It has a tab").text == "A room."
    assert lint.repair("A room with a tab").text == "A room with a tab"
    assert lint.repair("").text == "" and lint.faults("")


def test_what_is_good_is_left_as_it_is():
    text = 'A 3.5 m wide hall, by St. Mary\'s. "Open" says a sign! There are chairs (red ones).'
    assert lint.faults(text) == [] and lint.repair(text).text == text


# -- truth ---------------------------------------------------------------------------------------

SCENE = Scene(
    name="x",
    bounds_m=(0,) * 6,
    setting="a kitchen",
    labels={"a": "blue sofa", "b": "row of books", "c": "bookshelves", "d": "oak table"},
)


def truth(text: str) -> score.Truth:
    seen = card.View(place=None, objects={"a": 0.3, "b": 0.2, "c": 0.1, "d": 0.001})
    return score.truth(text, SCENE, seen)


def test_recall_and_invention_are_counted():
    found = truth("A kitchen with two sofas, a bookshelf and a piano.")
    assert found.recall == pytest.approx(2 / 3)
    assert found.invented == ("piano",) and found.invention == pytest.approx(1 / 3)
    assert truth("Couches, rows and bookshelves.").recall == 1.0
    assert truth("A table.").invented == (), "barely in view is no invention"
    assert np.isnan(truth("Light and air.").invention)


# -- the registry and the table ------------------------------------------------------------------


class Mine:
    """A user's captioner."""

    concurrency = 2

    def __init__(self, options: registry.Options):
        self.name, self.settings, self.asked = "mine", options.model, []
        self.broken: set[str] = set()

    def draft(self, shot: Shot, complaint: str = "") -> Draft:
        self.asked.append(shot.clip_id)
        if shot.clip_id in self.broken:
            raise ValueError("no idea")
        assert shot.frames(3).shape == (3, 64, 96, 3)
        return Draft(text=f"A striped room {shot.clip_id[-1]}.", requests=1)


def test_captioners_are_found_by_name(monkeypatch):
    options = registry.Options(endpoint="http://localhost/v1", model="m", images=3)
    assert registry.find("metadata", options).name == "metadata"
    assert registry.find("openai", options).name == "openai:m"
    monkeypatch.setitem(sys.modules, "own", SimpleNamespace(Mine=Mine))
    assert registry.find("own:Mine", options).settings == "m"
    for name, words in (
        ("gpt", "there are metadata, openai and module:Class"),
        ("no.such:Thing", "cannot be imported"),
        ("json:Thing", "cannot be imported"),
    ):
        with pytest.raises(ValueError, match=words):
            registry.find(name, options)
    with pytest.raises(ValueError, match="--endpoint"):
        registry.find("openai", registry.Options())


def rows_of(episodes) -> list[dict]:
    return [
        {
            "clip_id": f"clip-{n}",
            "plan_id": episode.id,
            "scene_id": episode.scene.id,
            "start": 0,
            "stop": 81,
            "place": "room",
            "view_names": ["wall_x0"],
            "view_shares": [0.5],
        }
        for n, episode in enumerate(episodes)
    ]


@pytest.fixture
def dataset(box_dataset, tmp_path) -> Path:
    (tmp_path / "episodes").symlink_to(box_dataset / "episodes")
    return tmp_path


def test_it_goes_on_where_it_stopped_and_tries_failures_again(dataset, box_episodes):
    rows = rows_of(box_episodes)
    mine = Mine(registry.Options())
    mine.broken = {"clip-1"}
    stopped = table.run(dataset, rows, mine)
    first = next(stopped)
    stopped.close()
    done = {said.clip_id: said for said in table.run(dataset, rows, mine)}
    assert set(done) == {row["clip_id"] for row in rows} and first.clip_id in done
    assert done["clip-1"].status == "error" and done["clip-1"].detail == "no idea"
    mine.broken, mine.asked = set(), []
    done = list(table.run(dataset, rows, mine))
    assert mine.asked == ["clip-1"], "only what failed"
    table.publish(dataset, rows, done)
    written = pq.read_table(dataset / "captions.parquet").to_pylist()
    assert [row["clip_id"] for row in written] == sorted(done_row.clip_id for done_row in done)
    assert written[0]["object_recall"] == 0.0 and written[0]["words"] == 4
    assert table.texts(dataset, rows)[0].long == "A striped room 0."
    before = (dataset / "captions.parquet").read_bytes()
    table.publish(dataset, rows, list(table.run(dataset, rows, mine))[::-1])
    assert (dataset / "captions.parquet").read_bytes() == before


def test_clips_without_a_caption_keep_that_of_the_card(dataset, box_episodes):
    rows = rows_of(box_episodes)
    text = table.texts(dataset, rows)[0]
    assert "Striped walls" in text.long and lint.camera_words(text.long) == []
    assert text.short.count(".") == 1 and "striped wall" in text.short
    failed = base.Caption(
        clip_id="clip-0", text="", short="", captioner="x", prompt_hash="x", status="error"
    )
    table.publish(dataset, rows, [failed])
    assert table.texts(dataset, rows)[0] == text


def test_a_server_that_is_gone_ends_the_run(dataset, box_episodes):
    rows = [{**rows_of(box_episodes)[0], "clip_id": f"clip-{n}"} for n in range(30)]
    mine = Mine(registry.Options())
    mine.broken = {row["clip_id"] for row in rows}
    with pytest.raises(ValueError, match="8 captions failed one after the other: no idea"):
        list(table.run(dataset, rows, mine))
    assert len(mine.asked) < 30


def test_the_pictures_that_are_shown_differ_most():
    poses = box_plan("pan", num_frames=81).trajectory.cam_to_world
    assert table.pick(poses, 2) == [0, 80]
    assert table.pick(poses, 3) == [0, 40, 80]
    assert table.pick(poses[:2], 4) == [0, 1]
