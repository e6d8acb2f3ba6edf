from __future__ import annotations

import itertools

import numpy as np
import pytest

from curation import segment, split


def test_segments_start_at_key_frames_and_share_one_frame():
    assert segment.segments(241) == [(0, 81), (80, 161), (160, 241)]
    assert segment.segments(240) == [(0, 81), (80, 161)]
    assert segment.segments(80) == []
    assert segment.segments(321, 161) == [(0, 161), (160, 321)]
    assert segment.segments(641, 317) == [(0, 317), (304, 621)]
    with pytest.raises(ValueError, match=r"1 \+ 4 n frames .* got 80"):
        segment.segments(200, 80)


def mask(num_frames: int, *frames: int) -> np.ndarray:
    return np.isin(np.arange(num_frames), frames)


def test_clips_lie_between_bad_frames_and_what_is_bad_stays_a_candidate():
    assert segment.segments(305, bad=mask(305, 100)) == [(0, 81), (112, 193), (192, 273)]
    assert segment.segments(241, bad=mask(241, 100)) == [(0, 81), (112, 193), (160, 241)]
    assert segment.segments(161, bad=mask(161, 100)) == [(0, 81), (80, 161)]
    assert segment.segments(161, bad=np.ones(161, dtype=bool)) == segment.segments(161)


def test_a_clip_may_begin_after_a_jump_but_not_hold_it():
    assert segment.segments(241, breaks=mask(241, 96)) == [(0, 81), (96, 177), (160, 241)]
    inside = [(a, b) for a, b in segment.segments(401, breaks=mask(401, 96)) if a < 96 < b]
    assert len(inside) <= 1, "at most the candidate that is rejected for it"


@pytest.mark.parametrize("seed", range(20))
def test_clips_start_at_key_frames_never_overlap_by_more_than_half_and_cover_the_grid(seed):
    rng = np.random.default_rng(seed)
    num_frames, length = int(rng.integers(81, 900)), int(rng.choice([81, 161, 317]))
    bad = rng.random(num_frames) < rng.choice([0, 0.01, 0.3])
    found = segment.segments(num_frames, length, bad=bad, breaks=rng.random(num_frames) < 0.005)
    assert found == sorted(set(found))
    assert all(a % 16 == 0 and b - a == length and b <= num_frames for a, b in found)
    assert all(2 * (b - c) <= length + 1 for (a, b), (c, d) in itertools.pairwise(found))
    grid = segment.segments(num_frames, length)
    assert all(any(2 * (min(b, d) - max(a, c)) >= length for c, d in found) for a, b in grid)


def test_clip_ids_are_file_names():
    assert segment.clip_id("town-1", "0af3", 80) == "town-1-0af3-00080"
    assert segment.clip_id("a b/c.d", "x", 0) == "a_b_c_d-x-00000"
    assert segment.clip_id("town-1", "0af3", 80, 161) == "town-1-0af3-00080-161"


def test_scenes_are_split_as_a_whole():
    assert split.assign(["b", "a", "b"], val_scenes=["b"]) == {"a": "train", "b": "val"}
    assert split.assign(["only"], val_scenes=[]) == {"only": "train"}
    with pytest.raises(ValueError, match="cannot validate on c"):
        split.assign(["a", "b"], val_scenes=["c"])


def test_leaks_are_found():
    clips = [{"scene_id": "a", "split": "train"}, {"scene_id": "b", "split": "val"}]
    assert split.leaks(clips) == []
    assert split.leaks([*clips, {"scene_id": "a", "split": "val"}]) == ["a"]
