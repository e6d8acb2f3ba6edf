"""`relickit stats` counts what is there."""

from __future__ import annotations

import json
import shutil

import pytest

from shards import manifest, stats


def test_numbers_are_those_of_the_files(sharded):
    found = stats.statistics(sharded)
    # Six episodes of 97 frames at 16 fps, each with a clip of 33 and one of 65 frames.
    assert found["episodes"] == {"count": 6, "frames": 582, "seconds": 36.375}
    assert found["clips"] == {"count": 12, "kept": 12, "rejected": {}}
    shards = found["shards"]
    assert shards["num_frames"] == {"33": 6, "65": 6} and shards["fps"] == {"16.0": 12}
    assert shards["generators"] == {"loop": 4, "out_and_back": 4, "pan": 4}
    assert (shards["captions"], shards["caption_words"]) == (2, [5, 5])
    assert shards["effective_clips"] == pytest.approx(12)
    assert [shards["splits"][name]["samples"] for name in ("train", "val")] == [6, 6]
    text = "\n".join(stats.lines(found))
    assert "Episodes: 6, 582 frames, 0.6 min" in text
    assert "Clips: 12 of 12 kept; rejected for: none" in text
    assert "weights 1 to 1, effective sample size 12" in text


def test_verdicts_and_weights_are_counted(sharding, tmp_path):
    folder = sharding.dataset(tmp_path / "box")

    def judge(row: dict) -> dict:
        keep = row["start"] == 0
        reasons = (
            []
            if keep
            else [
                f"moves at {6 + row['stop'] / 8:g} m/s, more than 6 m/s",
                f"too dark: mean luma {row['stop'] / 5:g} levels, less than 25 levels",
            ]
        )
        return {**row, "keep": keep, "reject_reasons": reasons, "weight": 1.0 + 2 * keep}

    sharding.change_clips(folder, judge)
    assert stats.kept_clips(folder) == ("6 of 12 kept; rejected for: too dark (6), too fast (6)")
    sharding.change_clips(folder, lambda row: {**row, "keep": True})
    sharding.shard(folder)
    shards = stats.statistics(folder)["shards"]
    assert shards["weights"] == [1.0, 3.0]
    assert shards["effective_clips"] == pytest.approx(24**2 / 60)
    assert "train: 6 clips of 1 scene, 294 frames" in stats.packed_clips(folder)


def test_nothing_to_count_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="holds nothing to count: expected plans, episodes"):
        stats.statistics(tmp_path)


@pytest.mark.parametrize("splits", [None, 3, {"train": {"shards": 1}}, {"train": 3, "val": 3}])
def test_a_manifest_without_totals_is_a_sentence(sharded, tmp_path, splits):
    shutil.copytree(sharded / "shards", tmp_path / "shards")
    path = tmp_path / "shards" / manifest.NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), "splits": splits}))
    with pytest.raises(ValueError, match="lacks totals of the splits; run `relickit shard` again"):
        stats.statistics(tmp_path)


@pytest.mark.parametrize("name", ["plans", "clips"])
def test_a_damaged_table_is_a_sentence(tmp_path, name):
    (tmp_path / f"{name}.parquet").write_bytes(b"PAR1")
    with pytest.raises(
        ValueError, match=rf"{name}.parquet cannot be read as Parquet .*; .*`relickit"
    ):
        stats.statistics(tmp_path)
