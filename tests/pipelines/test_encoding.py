"""`relickit encode`: shares of processes, continuing, and what training then finds."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from packed_box import BoxClip, pack
from safetensors.numpy import save_file

from pipelines.cli import main
from pipelines.encoding import Share
from shards.depth import Depth
from shards.encoded import EncodeJob
from shards.latents import Latents, Words
from shards.reader import ShardDataset
from training import encode, recipes
from training.autoencoder import LinearCodec


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two clips in two shards."""
    return pack(tmp_path / "box", [BoxClip(name="pan"), BoxClip(name="circle", kind="loop")])


def test_processes_share_the_shards_and_the_last_one_publishes(
    dataset, recipe, monkeypatch, capsys
):
    command = ["encode", str(dataset), "--recipe", str(recipe), "--window", "9", "--every", "4"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert main(command) == 0
    assert "1 clips are done here; other processes have the rest" in capsys.readouterr().out
    assert not list((dataset / "shards").glob("*/manifest.json"))
    monkeypatch.setenv("RANK", "0")
    assert main(command) == 0
    assert "2 clips in 2 shards" in capsys.readouterr().out
    before = {p: p.stat().st_mtime_ns for p in (dataset / "shards").rglob("*.tar")}
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.delenv("RANK")
    assert main(command) == 0
    assert {p: p.stat().st_mtime_ns for p in (dataset / "shards").rglob("*.tar")} == before
    latents = next((dataset / "shards").glob("latents-*"))
    codec = LinearCodec.load(latents / "codec.safetensors")
    wanted = recipes.find(str(recipe))
    found = encode.find_latents(dataset, wanted, codec)
    words = encode.find_words(dataset, wanted)
    assert isinstance(found, Latents) and isinstance(words, Words)
    assert found.name == latents.name
    clip = ShardDataset(dataset, "train").window(0, 8, 9)
    frames = torch.from_numpy(np.stack([encode.resize(clip.frames, 32, 48)]))
    expected = codec.encode(frames)[0].numpy()
    np.testing.assert_allclose(found.window(clip.key, 8, 9), expected, rtol=1e-3, atol=1e-3)
    assert len(words.read(clip.key)[0]) == 1


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_the_codec_beside_its_latents_is_compared_and_written_again(dataset, recipe, capsys):
    command = ["encode", str(dataset), "--recipe", str(recipe), "--only", "latents"]
    assert main(command) == 0
    codec = next((dataset / "shards").glob("latents-*/codec.safetensors"))
    stored = codec.read_bytes()
    for damage, message in (
        (flip, "holds other numbers than those that made the latents"),
        (lambda path: path.write_bytes(b"\0" * 64), "is damaged"),
        (lambda path: save_file({"mean": np.zeros(3)}, path), "is damaged ('basis')"),
        (Path.unlink, "is not there, and nothing else decodes the latents"),
    ):
        damage(codec)
        capsys.readouterr()
        assert main(["check", str(dataset / "shards")]) == 1
        assert f"{codec} {message}" in capsys.readouterr().out
        assert main(command) == 0
        assert codec.read_bytes() == stored
    assert main(["check", str(dataset / "shards")]) == 0


def test_half_given_windows_are_refused_in_a_sentence(dataset, recipe, capsys):
    command = ["encode", str(dataset), "--recipe", str(recipe), "--window", "9"]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "further windows need a length of 5, 9, 13" in error and "Traceback" not in error


def test_depth_needs_no_recipe_and_everything_else_does(dataset, capsys):
    assert main(["encode", str(dataset)]) == 1
    assert "latents and text follow a training recipe" in capsys.readouterr().err
    assert main(["encode", str(dataset), "--only", "depth"]) == 0
    assert "2 clips in 2 shards" in capsys.readouterr().out
    assert Depth(dataset).window("pan", 0, 17).shape == (17, 64, 96)


def test_depth_is_cut_out_of_the_episodes(dataset, capsys):
    assert main(["encode", str(dataset / "shards"), "--only", "depth"]) == 1
    assert "episodes is not there; depth is cut out" in capsys.readouterr().err


def test_every_shard_has_one_process(monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "2")
    monkeypatch.setenv("SLURM_NTASKS", "3")
    share = Share.of_this_process()
    assert (share.rank, share.world) == (2, 3)
    planned = [
        EncodeJob(split="train", name=n, fingerprint="", samples=(), parent="") for n in "abcdefg"
    ]
    shares = [Share(rank=rank, world=3, device=share.device) for rank in range(3)]
    taken = [job.name for one in shares for job in one.of(planned)]
    assert sorted(taken) == list("abcdefg")


def test_a_disk_that_fills_while_the_codec_is_kept_is_one_sentence(
    dataset, recipe, monkeypatch, capsys
):
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["encode", str(dataset), "--recipe", str(recipe)]) == 1
    assert "the disk is full" in capsys.readouterr().err
    assert not list((dataset / "shards").glob("latents-*/codec*"))
