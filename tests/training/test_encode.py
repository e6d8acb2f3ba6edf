"""What was encoded ahead of training is what training would encode, and is found by its recipe."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from box_room import box_plan, box_scene, write_box_episode
from tiny_wan import write_umt5, write_vae

from shards import encoded, jobs, writer
from shards.encoded import Encoder
from shards.latents import part_of
from shards.publish import publish
from shards.schema import Sample
from training import encode
from training.autoencoder import LinearCodec, WanCodec
from training.recipes import CodecConfig, Recipe, TextConfig, tiny

CPU = torch.device("cpu")


def recipe(**changes: object) -> Recipe:
    return dataclasses.replace(
        tiny(),
        data=dataclasses.replace(tiny().data, height_px=16, width_px=32),
        model=dataclasses.replace(tiny().model, max_words=6, text_dim=8),
        **changes,
    )


def frames(num_frames: int, height: int = 16, width: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num_frames, height, width, 3), np.uint8)


def linear(seed: int = 0) -> LinearCodec:
    shown = np.random.default_rng(seed).integers(0, 256, (4, 9, 16, 32, 3), np.uint8)
    return LinearCodec.fit(torch.from_numpy(shown), 4)


def wan(folder: Path) -> tuple[Recipe, WanCodec]:
    write_vae(folder)
    config = CodecConfig(kind="wan", channels=4, pretrained=str(folder))
    return recipe(codec=config), WanCodec.load(config)


@pytest.mark.parametrize("kind", ["linear", "wan"])
def test_every_window_is_what_its_frames_alone_become(tmp_path, kind):
    chosen, codec = (recipe(), linear()) if kind == "linear" else wan(tmp_path)
    encoder = encode.latents_encoder(chosen, codec, window=13, every=6)
    shown = frames(20)
    made = encode.encode_frames(codec, shown, encoder, CPU)
    assert list(made) == [part_of(start) for start in (0, 6)]
    assert made[part_of(0)].shape == (5, 4, 2, 4), "three frames at the end fill no latent"
    for start, name in ((0, part_of(0)), (6, part_of(6))):
        for length in (1, 13):
            window = torch.from_numpy(shown[start : start + length])[None]
            alone = codec.encode(window)[0].transpose(0, 1).numpy()
            stored = made[name][: len(alone)].astype(np.float32)
            np.testing.assert_allclose(stored, alone, rtol=1e-3, atol=2e-3)


def test_frames_are_resized_as_training_does(tmp_path):
    encoder = encode.latents_encoder(recipe(), linear())
    large = np.repeat(np.repeat(frames(5), 2, axis=1), 2, axis=2)
    for name, latents in encode.encode_frames(linear(), large, encoder, CPU).items():
        same = encode.encode_frames(linear(), frames(5), encoder, CPU)[name]
        np.testing.assert_array_equal(latents, same)


def test_the_name_follows_everything_that_decides_the_values(tmp_path):
    chosen, codec = wan(tmp_path / "wan")
    other_size = dataclasses.replace(recipe(), data=dataclasses.replace(recipe().data, width_px=48))
    encoders = [
        encode.latents_encoder(recipe(), linear()),
        encode.latents_encoder(recipe(), linear(seed=1)),
        encode.latents_encoder(other_size, linear()),
        encode.latents_encoder(recipe(), linear(), window=13, every=8),
        encode.latents_encoder(chosen, codec),
        encode.text_encoder(recipe()),
        encode.text_encoder(dataclasses.replace(recipe(), model=tiny().model)),
    ]
    names = [encoder.name for encoder in encoders]
    assert len(set(names)) == len(names)
    assert encode.latents_encoder(recipe(steps=7), linear()).name == names[0]
    file = next((tmp_path / "wan" / "vae").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    assert encode.latents_encoder(chosen, codec).name != names[4]
    with pytest.raises(ValueError, match="has no model in vae"):
        (tmp_path / "empty").mkdir()
        config = CodecConfig(kind="wan", channels=4, pretrained=str(tmp_path / "empty"))
        encode.latents_encoder(recipe(codec=config), codec)


@pytest.mark.parametrize(("window", "every"), [(13, 0), (0, 8), (12, 8), (-3, 8)])
def test_impossible_windows_are_refused(window, every):
    with pytest.raises(ValueError, match="window"):
        encode.latents_encoder(recipe(), linear(), window=window, every=every)


@pytest.mark.parametrize("kind", ["hash", "umt5"])
def test_words_are_those_of_training_without_their_padding(tmp_path, kind, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    chosen = recipe()
    if kind == "umt5":
        write_umt5(tmp_path, dim=8)
        chosen = recipe(text=TextConfig(kind="umt5", pretrained=str(tmp_path)))
    made = encode.encode_caption(chosen, "a red room")
    whole = encode.text.encoder(chosen.text, chosen.model)("a red room")
    assert len(made["words"]) == 3 + (kind == "umt5")  # and the end of the sentence
    np.testing.assert_allclose(made["words"], whole[: len(made["words"])], rtol=1e-3, atol=1e-4)
    assert not whole[len(made["words"]) :].any()
    assert len(made["empty"]) == (kind == "umt5")


def test_training_finds_what_fits_its_recipe(sharded_room: Path, caplog):
    shards = sharded_room / "shards"
    chosen, codec = recipe(), linear()
    assert encode.find_latents(sharded_room, chosen, codec) is None
    assert encode.find_words(sharded_room, chosen) is None
    for window, every in ((0, 0), (13, 8)):
        encoder = encode.latents_encoder(chosen, codec, window=window, every=every)

        def latents(sample: Sample, encoder: Encoder = encoder) -> dict[str, np.ndarray]:
            return encode.encode_frames(codec, frames(sample.num_frames), encoder, CPU)

        publish_set(shards, encoder, latents)
    text_encoder = encode.text_encoder(chosen)
    publish_set(shards, text_encoder, lambda s: encode.encode_caption(chosen, s.caption))
    found = encode.find_latents(sharded_room, chosen, codec)
    words = encode.find_words(sharded_room, chosen)
    assert found is not None and found.config["every"] == 8
    assert words is not None and words.keys == found.keys
    assert encode.find_latents(sharded_room, chosen, linear(seed=1)) is None
    key = found.keys[0]
    assert found.window(key, 8, 13).shape == (4, 4, 2, 4)
    (row,) = pq.read_table(sharded_room / "clips.parquet").to_pylist()
    shorter = pa.Table.from_pylist([{**row, "stop": row["stop"] - 1}])
    pq.write_table(shorter, sharded_room / "clips.parquet")
    planned = jobs.plan(sharded_room)
    for job in planned:
        writer.write(job, sharded_room)
    publish(sharded_room, planned)
    assert encode.find_latents(sharded_room, chosen, codec) is None
    assert encode.find_words(sharded_room, chosen) is None
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3 and all("Passed over" in line and "encode" in line for line in said)


def test_training_takes_the_words_that_were_made_ahead(sharded_room: Path, tmp_path, monkeypatch):
    """The same vectors bit for bit, without the encoder; the set does not even need its cache."""
    write_umt5(tmp_path, dim=8)
    chosen = recipe(text=TextConfig(kind="umt5", pretrained=str(tmp_path)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    made = encode.text.encoder(chosen.text, chosen.model)
    captions = ["A room.", ""]
    wanted = [made(caption) for caption in captions]
    publish_set(
        sharded_room / "shards",
        encode.text_encoder(chosen),
        lambda s: encode.encode_caption(chosen, s.caption),
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two"))
    encode.text.encoder.cache_clear()
    monkeypatch.setattr(encode.text, "_load_umt5", lambda _: pytest.fail("no set was read"))
    assert encode.use_words(sharded_room, chosen) is not None
    stored = encode.text.encoder(chosen.text, chosen.model)
    stored.prepare(captions)
    for caption, words in zip(captions, wanted, strict=True):
        assert words.any() and torch.equal(stored(caption), words)
    assert encode.use_words(sharded_room, recipe()) is None, "the built-in encoder needs none"


def publish_set(shards: Path, encoder: Encoder, make) -> None:
    planned = encoded.plan(shards, encoder)
    for job in planned:
        encoded.write(job, shards / encoder.name, make)
    encoded.publish(shards, encoder, planned)


@pytest.fixture
def sharded_room(tmp_path: Path) -> Path:
    """A dataset with one clip of 33 frames."""
    folder = tmp_path / "room"
    episode = write_box_episode(folder / "episodes", box_plan("pan", num_frames=33), box_scene())
    row = {
        "clip_id": "a",
        "plan_id": episode.id,
        "scene_id": episode.scene.id,
        "start": 0,
        "stop": 33,
        "keep": True,
        "caption": "A room.",
        "split": "train",
    }
    pq.write_table(pa.Table.from_pylist([row]), folder / "clips.parquet")
    planned = jobs.plan(folder)
    for job in planned:
        writer.write(job, folder)
    publish(folder, planned)
    return folder
