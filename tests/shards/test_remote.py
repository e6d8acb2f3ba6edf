from __future__ import annotations

import multiprocessing
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from range_server import Behaviour, allow_local, serving

from shards import remote
from shards.cache import Cache
from shards.damage import DamagedError
from shards.reader import ShardDataset
from shards.schema import ShardError


@pytest.fixture
def server(sharded: Path, monkeypatch) -> Iterator[tuple[str, Behaviour]]:
    allow_local(monkeypatch)
    # Sharded datasets are <root>/<folder>/box: the folder is the bucket.
    with serving(sharded.parents[1]) as (host, behaviour):
        yield host, behaviour


def address(kind: str, host: str, sharded: Path) -> str:
    path = sharded.relative_to(sharded.parents[1])
    if kind == "s3":
        return f"s3://{path}?endpoint_override={host}&scheme=http&region=us-east-1"
    return f"http://{host}/{path}" if kind == "http" else f"file://{sharded}"


@pytest.mark.parametrize("kind", ["http", "s3", "file"])
@pytest.mark.parametrize("inner", ["", "/shards"])
def test_an_address_gives_the_same_clips(sharded, server, kind, inner):
    host, _ = server
    there = address(kind, host, sharded)
    dataset = ShardDataset(there.replace("/box", f"/box{inner}"), "train")
    local = ShardDataset(sharded, "train")
    assert dataset.keys == local.keys
    assert dataset.manifest_sha == local.manifest_sha
    copy = pickle.loads(pickle.dumps(dataset))
    for i in (0, 3):
        assert copy.window(i, 2, 3).frames.tobytes() == local.window(i, 2, 3).frames.tobytes()


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_a_window_fetches_its_sample_alone_and_in_one_piece(sharded, server, kind):
    host, behaviour = server
    dataset = ShardDataset(address(kind, host, sharded), "train")
    behaviour.sent.clear()
    clip = dataset.window(1, 2, 3)
    sample = sum(len(dataset.part(1, part)) for part in ("actions.npz", "camera.npz", "meta.json"))
    sample += len(dataset.part(1, "rgb.mp4"))
    (name, size) = behaviour.sent[0]
    assert name.startswith("train-") and name.endswith(".tar")
    assert sample <= size < sample + 5 * 1024
    assert len(behaviour.sent) == 1 + 4
    assert len(clip) == 3


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_forked_and_started_processes_read_for_themselves(sharded, server, kind):
    host, _ = server
    dataset = ShardDataset(address(kind, host, sharded), "train")
    dataset.part(0, "meta.json")
    for method in ("fork", "spawn"):
        process = multiprocessing.get_context(method).Process(
            target=dataset.part, args=(0, "rgb.mp4")
        )
        process.start()
        process.join(60)
        assert process.exitcode == 0
    assert dataset.part(0, "meta.json")


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_a_busy_server_is_asked_again(sharded, server, kind, monkeypatch):
    host, behaviour = server
    monkeypatch.setattr(remote, "_PAUSES_S", (0.01,) * 5)
    dataset = ShardDataset(address(kind, host, sharded), "train")
    behaviour.busy = 2
    assert dataset.part(0, "meta.json") == ShardDataset(sharded, "train").part(0, "meta.json")
    assert behaviour.busy == 0


def test_a_connection_that_breaks_is_made_again(sharded, server, monkeypatch):
    host, behaviour = server
    monkeypatch.setattr(remote, "_PAUSES_S", (0.01,) * 5)
    dataset = ShardDataset(address("http", host, sharded), "train")
    behaviour.cut = 5
    assert dataset.part(0, "rgb.mp4") == ShardDataset(sharded, "train").part(0, "rgb.mp4")
    assert behaviour.cut == 0
    behaviour.cut = 99
    with pytest.raises(ShardError, match="could not be read in 6 attempts"):
        dataset.part(0, "rgb.mp4")


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_damage_on_the_way_is_fetched_once_more(sharded, server, kind):
    host, behaviour = server
    dataset = ShardDataset(address(kind, host, sharded), "train")
    behaviour.damage = 1
    assert dataset.window(0, 0, 2).key == dataset.key(0)
    behaviour.damage = 2
    said = rf"sample {dataset.key(0)}, part rgb.mp4 is .*; compare {kind}.*/shards/"
    with pytest.raises(DamagedError, match=said):
        dataset.window(0, 0, 2)
    assert behaviour.damage == 0


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_what_is_not_there_is_said(sharded, server, kind):
    host, _ = server
    there = address(kind, host, sharded)
    with pytest.raises(ShardError, match=r"has no shards/manifest.json"):
        ShardDataset(there.replace("/box", "/nothing"), "train")


def test_a_shard_that_went_away_is_named(sharded, tmp_path):
    shutil.copytree(sharded / "shards", tmp_path / "shards")
    with serving(tmp_path) as (host, _):
        dataset = ShardDataset(f"http://{host}", "train")
        for tar in (tmp_path / "shards").glob("*.tar"):
            tar.unlink()
        with pytest.raises(ShardError, match=r"http://.*/shards/train-.*tar is not there"):
            dataset.window(0, 0, 2)


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_refusal_speaks_of_credentials(sharded, server, kind):
    host, behaviour = server
    behaviour.status = 403
    with pytest.raises(ShardError, match=r"refused.*AWS_ACCESS_KEY_ID") as error:
        ShardDataset(address(kind, host, sharded), "train")
    assert "\n" not in str(error.value)


def test_a_server_without_ranges_is_refused(sharded, server):
    host, behaviour = server
    dataset = ShardDataset(address("http", host, sharded), "train")
    behaviour.ranges = False
    with pytest.raises(ShardError, match="honours Range"):
        dataset.window(0, 0, 2)


def test_silence_ends_in_one_sentence(sharded, server, monkeypatch):
    host, behaviour = server
    monkeypatch.setattr(remote, "_ANSWER_S", 0.2)
    monkeypatch.setattr(remote, "_ATTEMPTS", 2)
    behaviour.delay_s = 1.0
    with pytest.raises(ShardError, match=r"could not be read in 2 attempts") as error:
        ShardDataset(address("http", host, sharded), "train")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_an_absent_server_ends_in_one_sentence(sharded, monkeypatch, kind):
    monkeypatch.setattr(remote, "_ATTEMPTS", 2)
    with serving(sharded) as (host, _):
        pass
    with pytest.raises(ShardError, match=r"could not be read in 2 attempts.*network") as error:
        ShardDataset(address(kind, host, sharded), "train")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "there", ["ftp://host/demo", "s3://bucket/demo?endpoint=host", "nonsense://x"]
)
def test_unknown_addresses_are_refused(there):
    with pytest.raises(ValueError, match="nothing reads"):
        ShardDataset(there, "train")


def test_a_cache_spares_the_network_and_survives_damage(sharded, server, tmp_path):
    host, behaviour = server
    cache = Cache(tmp_path / "cache", 10**7)
    there = address("http", host, sharded)
    first = ShardDataset(there, "train", cache=cache).window(2, 1, 3)
    behaviour.sent.clear()
    again = ShardDataset(there, "train", cache=Cache(tmp_path / "cache", 10**7))
    assert again.window(2, 1, 3).frames.tobytes() == first.frames.tobytes()
    assert [name for name, _ in behaviour.sent if name != "manifest.json"] == []
    for piece in (tmp_path / "cache").iterdir():
        if not piece.name.startswith("."):
            piece.write_bytes(piece.read_bytes()[:-3])
    damaged = ShardDataset(there, "train", cache=cache)
    assert damaged.window(2, 1, 3).frames.tobytes() == first.frames.tobytes()
    behaviour.sent.clear()
    assert ShardDataset(there, "train", cache=cache).window(2, 1, 3).key == first.key
    assert [name for name, _ in behaviour.sent if name != "manifest.json"] == []
