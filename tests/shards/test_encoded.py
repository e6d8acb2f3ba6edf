"""Parallel sets: the same keys, made once, found by name, never touching the videos."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from capture import files
from shards import encoded, latents, manifest, sets
from shards.encoded import Encoder
from shards.latents import Latents, Words
from shards.reader import ShardDataset
from shards.schema import Sample, ShardError

LATENTS = Encoder(kind="latents", config={"window": 17, "every": 16})
TEXT = Encoder(kind="text", config={"kind": "letters"})


def toy_latents(sample: Sample) -> dict[str, np.ndarray]:
    """Latent j of an encoding from frame s is s + 4 j, all over."""
    assert sample.caption == "", "latents do not depend on captions"
    made = {}
    for start in latents.starts(sample.num_frames, 17, 16):
        length = 17 if start else sample.num_frames
        values = start + 4 * np.arange((length - 1) // 4 + 1)
        made[latents.part_of(start)] = np.broadcast_to(
            values[:, None, None, None], (len(values), 3, 2, 4)
        ).astype(np.float16)
    return made


def toy_text(sample: Sample) -> dict[str, np.ndarray]:
    letters = np.array([[ord(letter)] for letter in sample.caption], dtype=np.float16)
    return {"words": letters, "empty": np.zeros((0, 1), dtype=np.float16)}


def encode(folder: Path, encoder: Encoder, encode_sample) -> str:
    """The whole set, as `relickit encode` makes it."""
    mine = encoded.start(folder / "shards", encoder)
    planned = encoded.plan(folder / "shards", encoder)
    for job in planned:
        encoded.write(job, mine, encode_sample)
    assert encoded.publish(folder / "shards", encoder, planned) is not None
    return encoder.name


@pytest.fixture
def folder(sharded: Path, tmp_path: Path) -> Path:
    """A sharded dataset that may be changed."""
    return Path(shutil.copytree(sharded, tmp_path / "box", symlinks=True))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_windows_are_what_was_encoded_from_their_first_frame(folder):
    found = Latents(folder, encode(folder, LATENTS, toy_latents))
    videos = ShardDataset(folder, "train").keys + ShardDataset(folder, "val").keys
    assert found.keys == sorted(videos) and videos[0] in found and "other" not in found
    for key in found.keys:
        whole = found.num_frames(key)
        assert whole in (33, 65)
        assert found.starts(key, 17) == list(range(0, whole - 16, 16))
        assert found.starts(key, 21) == [0] and found.starts(key, whole) == [0]
        assert found.starts(key, whole + 4) == []
        for start in found.starts(key, 13):
            window = found.window(key, start, 13)
            assert window.shape == (3, 4, 2, 4) and window.dtype == np.float16
            assert window[0, :, 0, 0].tolist() == [start, start + 4, start + 8, start + 12]
        assert found.window(key, 0, whole).shape[1] == (whole - 1) // 4 + 1


def test_windows_that_were_not_encoded_are_refused(folder):
    found = Latents(folder, encode(folder, LATENTS, toy_latents))
    key = found.keys[0]
    with pytest.raises(ShardError, match=r"no encoding of 13 frames starts at frame 4; there are"):
        found.window(key, 4, 13)
    with pytest.raises(ShardError, match=r"1, 5, 9, ... frames, got 12"):
        found.window(key, 0, 12)
    with pytest.raises(ShardError, match="has no clip 'other'; run `relickit encode`"):
        found.window("other", 0, 5)


def test_captions_become_words(folder):
    found = Words(folder / "shards", encode(folder, TEXT, toy_text))
    train = ShardDataset(folder, "train")
    for i, key in enumerate(train.keys):
        words, empty = found.read(key)
        assert "".join(chr(int(x)) for x in words[:, 0]) == train.window(i, 0, 1).caption
        assert empty.shape == (0, 1)
    with pytest.raises(ShardError, match="holds no latents"):
        Latents(folder, TEXT.name)


def test_the_videos_are_not_touched_and_another_encoder_is_another_set(folder):
    before = contents(folder / "shards")
    encode(folder, LATENTS, toy_latents)
    first = contents(folder / "shards")
    del first[sets.NAME]
    other = Encoder(kind="latents", config={"window": 17, "every": 16, "weights": "other"})
    encode(folder, other, toy_latents)
    after = contents(folder / "shards")
    assert before.items() <= first.items() <= after.items()
    assert [name for name, _ in encoded.published_sets(folder / "shards", "latents")] == sorted(
        [LATENTS.name, other.name]
    )


def test_the_list_of_sets_has_them_all_whoever_writes_last(folder, monkeypatch):
    """Another set appears between looking and writing."""
    shards, write_json = folder / "shards", files.write_json
    assert sets.listed(shards) is None
    (name, other), written = (encode(folder, LATENTS, toy_latents), "text-0123abcd"), []
    assert sets.listed(shards) == [name] and not sets.write(shards)

    def slowly(path: Path, data: object) -> None:
        written.append(path)
        if len(written) == 1:
            (shards / "depth-00ff00ff").mkdir()
            (shards / "depth-00ff00ff" / manifest.NAME).touch()
        write_json(path, data)

    monkeypatch.setattr(files, "write_json", slowly)
    (shards / other).mkdir()
    (shards / other / manifest.NAME).touch()
    assert sets.write(shards)
    assert sets.listed(shards) == ["depth-00ff00ff", name, other] and len(written) == 2


def test_a_list_of_a_later_version_is_no_damage():
    assert sets.parse(b'{"sets": ["flow-00ff00ff"]}', "sets.json") == ["flow-00ff00ff"]
    with pytest.raises(ShardError, match=r"^sets.json is damaged"):
        sets.parse(b'{"sets": ["../flow-00ff00ff"]}', "sets.json")


def test_a_finished_set_is_not_encoded_again_and_a_caption_changes_only_text(folder, sharding):
    def never(sample: Sample) -> dict[str, np.ndarray]:
        raise AssertionError(sample.key)

    encode(folder, LATENTS, toy_latents)
    encode(folder, TEXT, toy_text)
    sharding.change_clips(folder, lambda row: {**row, "caption": "Seen anew.", "weight": 2.0})
    sharding.shard(folder)
    with pytest.raises(ShardError, match=r"made from other clips .* \(0 are missing"):
        Words(folder, TEXT.name)
    made = contents(folder / "shards" / LATENTS.name)
    Latents(folder, encode(folder, LATENTS, never))
    after = contents(folder / "shards" / LATENTS.name)
    assert {n for n in made if made[n] != after[n]} == {"manifest.json"}  # its parent
    words, _ = Words(folder, encode(folder, TEXT, toy_text)).read(Words(folder, TEXT.name).keys[0])
    assert len(words) == len("Seen anew.")


def test_encoding_stops_and_goes_on(folder):
    done: list[str] = []

    def dying(sample: Sample) -> dict[str, np.ndarray]:
        if len(done) == 7:
            raise KeyboardInterrupt
        done.append(sample.key)
        return toy_latents(sample)

    with pytest.raises(KeyboardInterrupt):
        encode(folder, LATENTS, dying)
    planned = encoded.plan(folder / "shards", LATENTS)
    assert encoded.publish(folder / "shards", LATENTS, planned) is None
    assert not [p for p in (folder / "shards" / LATENTS.name).iterdir() if ".tmp-" in p.name]
    with pytest.raises(ShardError, match="is not there"):
        Latents(folder, LATENTS.name)
    del done[:]
    encode(folder, LATENTS, dying)
    assert len(done) < 12, "the first shard was kept"
    Latents(folder, LATENTS.name)


def test_an_encode_that_ends_after_the_videos_were_sharded_again_leaves_the_new_set(
    folder, sharding
):
    late = encoded.plan(folder / "shards", LATENTS)
    mine = encoded.start(folder / "shards", LATENTS)
    for job in late:
        encoded.write(job, mine, toy_latents)
    sharding.change_clips(folder, lambda row: {**row, "keep": row["start"] == 0})
    sharding.shard(folder)
    encoded.write(encoded.plan(folder / "shards", LATENTS)[0], mine, toy_latents)
    new = {path.name: path.read_bytes() for path in mine.iterdir()}
    with pytest.raises(
        ShardError, match=r"was sharded again while latents-.* run `relickit encode`"
    ):
        encoded.publish(folder / "shards", LATENTS, late)
    assert {path.name: path.read_bytes() for path in mine.iterdir()} == new


def test_writers_of_one_set_agree(folder, tmp_path):
    alone = Path(shutil.copytree(folder, tmp_path / "alone", symlinks=True))
    encode(alone, LATENTS, toy_latents)
    children = []
    for _ in range(3):
        children.append(os.fork())
        if not children[-1]:
            try:
                encode(folder, LATENTS, toy_latents)
            except BaseException:
                os._exit(1)
            os._exit(0)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 3
    assert contents(folder / "shards") == contents(alone / "shards")


def test_one_flipped_byte_is_found_in_its_array(folder):
    found = Latents(folder, encode(folder, LATENTS, toy_latents))
    tar = min(Path(found.location).glob("train-*.tar"))
    with tar.open("r+b") as file:
        file.seek(700)
        byte = file.read(1)[0]
        file.seek(700)
        file.write(bytes([byte ^ 1]))
    failed = []
    for key in found.keys:
        for name in found.names(key):
            try:
                found.member(key, name)
            except ShardError as error:
                failed.append((key, name))
                named = f"{tar.name}, sample {key}, part {name} is damaged"
                assert re.search(named, str(error))
    assert len(failed) == 1


def test_values_that_are_not_finite_are_not_written(folder):
    def overflowing(sample: Sample) -> dict[str, np.ndarray]:
        return {"latents_00000": np.full((1, 1, 1, 1), np.inf, np.float16)}

    job = encoded.plan(folder / "shards", LATENTS)[0]
    with pytest.raises(ShardError, match=rf"sample {job.samples[0].key}: .* not finite"):
        encoded.write(job, folder / "shards" / LATENTS.name, overflowing)


def test_plain_webdataset_and_numpy_read_a_set(folder):
    webdataset = pytest.importorskip("webdataset")
    found = Latents(folder, encode(folder, LATENTS, toy_latents))
    urls = sorted(str(path) for path in Path(found.location).glob("train-*.tar"))
    seen = 0
    for sample in webdataset.WebDataset(urls, shardshuffle=False):
        array = np.load(io.BytesIO(sample["latents_00000.npy"]), allow_pickle=False)
        np.testing.assert_array_equal(array, found.array(sample["__key__"], "latents_00000"))
        seen += 1
    assert seen == 6
    says = json.loads((Path(found.location) / manifest.NAME).read_text())
    assert says["encoder"]["config"] == LATENTS.config
