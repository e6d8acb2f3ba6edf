"""Latents and words from addresses: the same arrays, few requests, damage noticed."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from range_server import Behaviour, allow_local, serving

from shards import encoded, latents, sets
from shards.cache import Cache
from shards.encoded import Encoder
from shards.latents import Latents
from shards.schema import Sample, ShardError

LATENTS = Encoder(kind="latents", config={"window": 17, "every": 16})


def toy_latents(sample: Sample) -> dict[str, np.ndarray]:
    made = {}
    for start in latents.starts(sample.num_frames, 17, 16):
        length = 17 if start else sample.num_frames
        values = np.arange((length - 1) // 4 + 1) + start
        made[latents.part_of(start)] = np.tile(values[:, None, None, None], (1, 3, 2, 4)) / 8
    return made


@pytest.fixture(scope="module")
def bucket(sharded: Path, tmp_path_factory) -> Path:
    """A folder with one dataset, "box", and its latents (read only)."""
    root = tmp_path_factory.mktemp("bucket")
    shards = Path(shutil.copytree(sharded / "shards", root / "bucket" / "box" / "shards"))
    mine = encoded.start(shards, LATENTS)
    planned = encoded.plan(shards, LATENTS)
    for job in planned:
        encoded.write(job, mine, toy_latents)
    assert encoded.publish(shards, LATENTS, planned) is not None
    return root


@pytest.fixture
def server(bucket: Path, monkeypatch) -> Iterator[tuple[str, Behaviour]]:
    allow_local(monkeypatch)
    with serving(bucket) as (host, behaviour):
        yield host, behaviour


def address(kind: str, host: str) -> str:
    if kind == "s3":
        return f"s3://bucket/box?endpoint_override={host}&scheme=http&region=us-east-1"
    return f"http://{host}/bucket/box"


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_an_address_gives_the_same_latents_by_one_request_each(bucket, server, kind):
    host, behaviour = server
    local = Latents(bucket / "bucket" / "box", LATENTS.name)
    there = pickle.loads(pickle.dumps(Latents(address(kind, host), LATENTS.name)))
    assert there.keys == local.keys and there.manifest_sha == local.manifest_sha
    behaviour.sent.clear()
    for key in there.keys:
        start = there.starts(key, 13)[-1]
        np.testing.assert_array_equal(there.window(key, start, 13), local.window(key, start, 13))
    assert len(behaviour.sent) == len(there.keys)


def test_sets_are_found_in_an_object_store_and_on_a_web_server(bucket, server):
    host, _ = server
    known = [(LATENTS.name, dict(LATENTS.config))]
    assert list(encoded.published_sets(bucket / "bucket" / "box", "latents")) == known
    assert list(encoded.published_sets(address("s3", host), "latents")) == known
    assert list(encoded.published_sets(address("s3", host), "text")) == []
    assert list(encoded.published_sets(address("http", host), "latents")) == known


def test_a_web_server_without_a_list_has_no_sets_and_a_damaged_one_is_said(bucket, tmp_path):
    shards = Path(shutil.copytree(bucket / "bucket" / "box" / "shards", tmp_path / "shards"))
    with serving(tmp_path) as (host, _):
        (shards / sets.NAME).write_text('{"sets": ["../secret"]}')
        with pytest.raises(ShardError, match=r"http://.*/shards/sets.json is damaged"):
            list(encoded.published_sets(f"http://{host}", "latents"))
        (shards / sets.NAME).unlink()
        assert list(encoded.published_sets(f"http://{host}", "latents")) == []


def test_a_set_that_is_not_there_is_said(server):
    host, _ = server
    with pytest.raises(ShardError, match=r"http.*/latents-0/manifest.json is not there; run"):
        Latents(address("http", host), "latents-0")


def test_damage_on_the_way_is_fetched_once_more(server):
    host, behaviour = server
    found = Latents(address("http", host), LATENTS.name)
    key = found.keys[0]
    behaviour.damage = 1
    right = found.window(key, 0, 5)
    behaviour.damage = 2
    with pytest.raises(ShardError, match=rf"sample {key}, part latents_00000.npy is damaged"):
        found.window(key, 0, 5)
    np.testing.assert_array_equal(found.window(key, 0, 5), right)


def test_a_cache_spares_the_network(server, tmp_path):
    host, behaviour = server
    cache = Cache(tmp_path / "cache", 10**7)
    first = Latents(address("http", host), LATENTS.name, cache=cache)
    key = first.keys[0]
    right = first.window(key, 0, 5)
    behaviour.sent.clear()
    again = Latents(address("http", host), LATENTS.name, cache=cache)
    np.testing.assert_array_equal(again.window(key, 0, 5), right)
    assert {name for name, _ in behaviour.sent} == {"manifest.json"}


def test_a_tar_stays_open_and_is_not_opened_again(bucket, tmp_path):
    shutil.copytree(bucket / "bucket" / "box", tmp_path / "box")
    found = Latents(tmp_path / "box", LATENTS.name)
    right = {key: found.window(key, 0, 5).copy() for key in found.keys}
    for tar in Path(found.location).glob("*.tar"):
        tar.unlink()
    for key, window in right.items():
        np.testing.assert_array_equal(found.window(key, 0, 5), window)
    with pytest.raises(ShardError, match=r"\.tar cannot be opened"):
        Latents(tmp_path / "box", LATENTS.name).window(found.keys[0], 0, 5)
