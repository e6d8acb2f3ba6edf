from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from box_room import BOX_NAMES, box_plan, box_scene, render_box, write_box_episode

from capture import camera
from capture.episode import Episode, EpisodeWriter
from capture.trajectory import Trajectory
from curation import clips, decide, exposure, measure, split, tables
from curation.audit import numbers
from curation.audit.data import gather
from curation.caption import table
from curation.catalogue import CLIP_METRICS, FRAME_METRICS
from curation.filters import RULES, Rule, judge
from curation.verdict import Verdict

GOOD = {
    rule.metric: rule.at_least if math.isfinite(rule.at_least) else rule.at_most for rule in RULES
}


def curate(dataset: Path, *val_scenes: str) -> Path:
    for folder in sorted((dataset / "episodes").iterdir()):
        tables.measure_episode(dataset, folder.name)
    tables.merge(dataset)
    decide.decide(dataset, val_scenes=val_scenes)
    return dataset


@pytest.fixture(scope="module")
def curated(measured_box, tmp_path_factory) -> Path:
    """A private copy of the box dataset, measured and decided."""
    dataset = Path(shutil.copytree(measured_box, tmp_path_factory.mktemp("curated") / "box"))
    decide.decide(dataset, val_scenes=["box-1"])
    return dataset


@pytest.fixture
def copy(curated, tmp_path) -> Path:
    return Path(shutil.copytree(curated, tmp_path / "box"))


def rows(dataset: Path) -> list[dict]:
    return pq.read_table(dataset / "clips.parquet").to_pylist()


# -- rules ---------------------------------------------------------------------------------------


def test_values_at_their_bounds_are_kept():
    assert judge(GOOD) == Verdict(keep=True, scores=judge(GOOD).scores)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_rejects_past_its_bound_and_says_both_numbers(rule):
    value = rule.at_most * 2 + 1 if math.isfinite(rule.at_most) else rule.at_least / 2
    verdict = judge({**GOOD, rule.metric: value}, [rule])
    assert not verdict.keep
    assert len(verdict.reasons) == 1
    assert decide.cause(RULES, verdict.reasons[0]) == rule.name
    assert sum(character.isdigit() for character in verdict.reasons[0]) >= 2


def test_reasons_read_like_sentences():
    verdict = judge({**GOOD, "turn_max_deg_s": 143.2, "black_frames": 1.0, "lag_frames": -1.0})
    assert verdict.reasons == (
        "turns at 143 deg/s, more than 90 deg/s",
        "1 frame black, 0 frames allowed",
        "pictures and poses are out of step by -1 frame, expected 0 frames",
    )


def test_only_required_metrics_reject_when_unknown():
    assert judge({**GOOD, "lag_frames": math.nan}).keep
    assert judge({**GOOD, "geometry_inlier": math.nan}).reasons == (
        "geometry_inlier could not be measured",
    )
    assert not judge({name: GOOD[name] for name in GOOD if name != "geometry_inlier"}).keep


def test_rules_without_meaning_are_refused():
    with pytest.raises(ValueError, match="no metric 'speeed'"):
        Rule(name="bad", metric="speeed", text="", at_most=1)
    with pytest.raises(ValueError, match="needs a bound"):
        Rule(name="bad", metric="luma_mean", text="")
    with pytest.raises(ValueError, match="needs a bound"):
        Rule(name="bad", metric="luma_mean", text="", at_least=2, at_most=1)


def test_a_verdict_has_reasons_exactly_if_it_rejects():
    with pytest.raises(ValueError, match="rejects with some"):
        Verdict(keep=False)


# -- measuring -----------------------------------------------------------------------------------


def test_the_box_dataset_is_right_and_kept(curated):
    metrics = pq.read_table(curated / "metrics" / "clips.parquet").to_pylist()
    assert len(metrics) == 6
    for row in metrics:
        assert row["geometry_inlier"] > 0.95
        assert row["lag_frames"] == 0 or math.isnan(row["lag_frames"])
        assert row["pose_error_max_m"] < 1e-6
        assert row["raw_pixels"] is False
    by_kind = {row["generator"]: row for row in metrics}
    assert by_kind["pan"]["turn_mean_deg_s"] == pytest.approx(15.0)
    assert by_kind["out_and_back"]["revisit_share"] > 0
    assert all(row["keep"] for row in rows(curated) if "repeats" not in str(row["reject_reasons"]))


def test_tables_hold_every_metric_with_its_unit(curated):
    for name, metrics in (("frames", FRAME_METRICS), ("clips", CLIP_METRICS)):
        schema = pq.read_schema(curated / "metrics" / f"{name}.parquet")
        for metric in metrics:
            unit = (schema.field(metric.name).metadata or {}).get(b"unit", b"").decode()
            assert unit == metric.unit


def test_measuring_twice_gives_the_same_bytes(curated, copy):
    for part in sorted((copy / "metrics" / "parts").iterdir())[:4]:  # of two episodes
        part.unlink()
    again = curate(copy, "box-1")
    paths = [path for path in sorted(again.rglob("*.parquet")) if "episodes" not in path.parts]
    assert len(paths) == 6 * 2 + 3
    for path in paths:
        assert path.read_bytes() == (curated / path.relative_to(again)).read_bytes(), path


def test_measured_episodes_are_not_measured_again_until_they_change(copy):
    plan_id = sorted(path.name for path in (copy / "episodes").iterdir())[0]
    assert tables.measure_episode(copy, plan_id) is False
    info = json.loads((copy / "episodes" / plan_id / "episode.json").read_text())
    (copy / "episodes" / plan_id / "episode.json").write_text(json.dumps({**info, "seed": 9}))
    assert tables.measure_episode(copy, plan_id) is True


def test_the_observer_sees_the_raw_frames_and_measuring_uses_it(tmp_path):
    plan, scene = box_plan("loop", num_frames=81), box_scene()
    observer = exposure.FrameObserver()
    with EpisodeWriter(
        tmp_path, plan=plan, scene=scene, mask_names=BOX_NAMES, engine={"name": "box"}
    ) as writer:
        for pose in plan.trajectory.cam_to_world:
            rgb, depth_m, mask = render_box(pose, plan.intrinsics)
            reported = np.concatenate(camera.to_unreal(pose))
            measured = {**observer(rgb, depth_m), "luma_mean": 77.0}
            writer.add(
                rgb=rgb, depth_m=depth_m, mask=mask, reported_cm_deg=reported, measured=measured
            )
    episode = Episode.load(tmp_path / plan.id)
    clip = clips.rows(episode, measure.measure(episode))[0]
    assert clip["raw_pixels"] is True
    assert clip["luma_mean"] == 77.0
    assert clip["geometry_inlier"] > 0.95


def write_with(root: Path, **measured: float) -> Episode:
    plan, scene = box_plan("pan", num_frames=17), box_scene()
    base = exposure.FrameObserver()
    with EpisodeWriter(
        root, plan=plan, scene=scene, mask_names=BOX_NAMES, engine={"name": "box"}
    ) as writer:
        for pose in plan.trajectory.cam_to_world:
            rgb, depth_m, mask = render_box(pose, plan.intrinsics)
            writer.add(
                rgb=rgb,
                depth_m=depth_m,
                mask=mask,
                reported_cm_deg=np.concatenate(camera.to_unreal(pose)),
                measured={**base(rgb, depth_m), **measured},
            )
    return Episode.load(root / plan.id)


def test_numbers_that_are_none_are_reported_in_words(tmp_path):
    episode = write_with(tmp_path, luma_mean=math.nan)
    with pytest.raises(ValueError, match=rf"{episode.id}.*luma_mean of frame 0 is nan"):
        measure.measure(episode)


def test_an_episode_that_is_too_short_has_frames_and_no_clips(tmp_path):
    episode = write_with(tmp_path)
    measured = measure.measure(episode)
    assert len(measured["t_s"]) == 17
    assert clips.rows(episode, measured) == []


def test_half_written_episodes_are_reported_in_words(copy):
    folders = sorted((copy / "episodes").iterdir())
    (folders[0] / "episode.json").unlink()
    with pytest.raises(ValueError, match="no finished episode"):
        tables.measure_episode(copy, folders[0].name)
    with (folders[1] / "depth.mkv").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(ValueError, match=r"depth\.mkv: expected \d+ bytes, found 1000"):
        tables.measure_episode(copy, folders[1].name)
    assert len(tables.measured_plans(copy)) == 4


def test_nothing_measured_is_said_so(tmp_path):
    with pytest.raises(ValueError, match="no episode has been measured"):
        tables.merge(tmp_path)
    with pytest.raises(ValueError, match="measure the episodes first"):
        decide.decide(tmp_path)


# -- deciding ------------------------------------------------------------------------------------


def test_clips_have_the_agreed_columns_in_order(curated):
    table = pq.read_table(curated / "clips.parquet")
    assert table.column_names == [
        *("clip_id", "plan_id", "scene_id", "start", "stop"),
        *("keep", "reject_reasons", "caption", "caption_short", "split", "weight"),
    ]
    ids = table["clip_id"].to_pylist()
    assert ids == sorted(ids)
    assert split.leaks(table.to_pylist()) == []
    assert {row["split"] for row in table.to_pylist()} == {"train", "val"}


def test_deciding_again_measures_nothing(copy):
    for path in (copy / "episodes").rglob("*.m*"):
        path.write_bytes(b"")  # no pixel can be read any more
    strict = [
        Rule(name="bad", metric="turn_max_deg_s", at_most=50, text="turns at {value}, not {bound}")
    ]
    for path in (copy / "episodes").rglob("episode.json"):
        info = json.loads(path.read_text())
        for name in ("rgb.mp4", "depth.mkv", "mask.mkv"):
            info["files"][name]["bytes"] = 0
        path.write_text(json.dumps(info))
    decide.decide(copy, rules=strict, val_scenes=["box-0"])
    for row in rows(copy):
        turning = row["reject_reasons"] == ["turns at 60 deg/s, not 50 deg/s"]
        assert turning is not row["keep"]
        assert row["split"] == ("val" if row["scene_id"] == "box-0" else "train")
    assert sum(not row["keep"] for row in rows(copy)) == 2


def test_people_win(copy):
    first, second, third = [row["clip_id"] for row in rows(copy)][:3]
    lines = [
        {"clip_id": first, "keep": True},
        {"clip_id": first, "keep": False, "note": "a hand in the picture"},
        {"clip_id": second, "keep": True, "note": "fine"},
    ]
    (copy / "decisions.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    decide.decide(
        copy, rules=[Rule(name="bad", metric="path_m", at_most=-1, text="{value} > {bound}")]
    )
    verdicts = {row["clip_id"]: row for row in rows(copy)}
    assert verdicts[first]["reject_reasons"] == ["rejected by a person: a hand in the picture"]
    assert verdicts[second]["keep"]
    assert not verdicts[third]["keep"]


@pytest.mark.parametrize(
    "line", [b"{", b'{"clip_id": "a"}', b'{"clip_id": "a", "keep": true, "x": 1}', b'{"\xe9": 1}']
)
def test_malformed_decisions_name_their_line(tmp_path, line):
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b'{"clip_id": "a", "keep": true}\n' + line)
    with pytest.raises(ValueError, match=r"decisions\.jsonl, line 2"):
        decide.load_decisions(path)


def test_the_second_of_two_equal_paths_goes(tmp_path):
    plan = box_plan("loop")
    for seed in (0, 1):
        twin = box_plan("loop", seed) if seed else plan
        write_box_episode(tmp_path / "episodes", twin, box_scene(0))
    dataset = curate(tmp_path)
    first, second = rows(dataset)
    assert first["keep"]
    assert second["reject_reasons"] == [f"repeats the path of {first['clip_id']}"]
    assert decide.cause(RULES, second["reject_reasons"][0]) == "repeated path"


def test_captions_are_redone_without_measuring(copy, monkeypatch):
    before = rows(copy)
    monkeypatch.setattr(table.card, "describe", lambda scene, seen, seed: f"{seed} anew")
    monkeypatch.setattr(tables, "measure_episode", lambda *_: pytest.fail("measured again"))
    decide.recaption(copy)
    assert rows(copy) == [{**row, "caption": f"{row['clip_id']} anew"} for row in before]


def test_captions_need_verdicts_of_the_same_clips(copy, tmp_path):
    with pytest.raises(ValueError, match="run `relickit curate` first"):
        decide.recaption(tmp_path / "nothing")
    metrics = copy / "metrics" / "clips.parquet"
    pq.write_table(pq.read_table(metrics).slice(1), metrics)
    with pytest.raises(ValueError, match="other clips than were measured"):
        decide.recaption(copy)


def test_rules_of_the_dataset_decide_and_are_kept_with_the_verdicts(copy):
    (copy / "rules.json").write_text('[{"name": "whip pan", "at_most": 50}]')
    decide.decide(copy)
    turning = [row for row in rows(copy) if not row["keep"]]
    assert [row["reject_reasons"][0] for row in turning] == [
        "turns at 60 deg/s, more than 50 deg/s"
    ] * 2
    assert {rule.name: rule.at_most for rule in decide.rules_of(copy)}["whip pan"] == 50
    kept = next(row["clip_id"] for row in rows(copy) if row["keep"])
    (copy / "decisions.jsonl").write_text(json.dumps({"clip_id": kept, "keep": False}))
    decide.decide(copy)
    why = [reason for row in rows(copy) for reason in row["reject_reasons"]]
    causes = Counter(decide.cause(decide.rules_of(copy), reason) for reason in why)
    assert numbers.of(gather(copy))["rejected_by"] == causes
    assert causes == {"whip pan": 2, "a person's decision": 1}
    metadata = pq.read_schema(copy / "clips.parquet").metadata
    decide.decide(copy, rules=RULES)
    assert pq.read_schema(copy / "clips.parquet").metadata != metadata
    pq.write_table(pq.read_table(copy / "clips.parquet").replace_schema_metadata(), copy / "x")
    (copy / "x").rename(copy / "clips.parquet")
    with pytest.raises(ValueError, match="which rules decided"):
        decide.rules_of(copy)


def test_weights_are_for_what_is_drawn(copy):
    (copy / "decisions.jsonl").write_text(
        json.dumps({"clip_id": rows(copy)[0]["clip_id"], "keep": False})
    )
    decide.decide(copy, val_scenes=["box-1"])
    train = [row["weight"] for row in rows(copy) if row["split"] == "train"]
    assert train[0] == 0.0 and np.mean(train[1:]) == pytest.approx(1.0)
    assert len(set(train[1:])) > 1
    assert {row["weight"] for row in rows(copy) if row["split"] == "val"} == {1.0}


def test_clips_of_another_length_are_cut_without_measuring(copy, monkeypatch):
    monkeypatch.setattr(tables, "measure", lambda _: pytest.fail("measured again"))
    plan_ids = tables.measured_plans(copy)
    assert all(tables.is_measured(copy, plan_id) for plan_id in plan_ids)
    before = (copy / "metrics" / "clips.parquet").read_bytes()
    for length, count in ((33, 3), (81, 1)):
        assert not any(tables.is_measured(copy, plan_id, length) for plan_id in plan_ids)
        assert all(tables.measure_episode(copy, plan_id, length) for plan_id in plan_ids)
        tables.merge(copy)
        cut = pq.read_table(copy / "metrics" / "clips.parquet").to_pylist()
        assert [row["stop"] - row["start"] for row in cut] == [length] * (count * len(plan_ids))
    assert (copy / "metrics" / "clips.parquet").read_bytes() == before


def test_a_jump_is_cut_around(tmp_path):
    plan = box_plan("out_and_back", seed=2, num_frames=225)
    poses = plan.trajectory.cam_to_world.copy()
    poses[112:, 1, 3] += 0.6
    jumped = dataclasses.replace(plan, trajectory=Trajectory.uniform(poses, plan.fps))
    write_box_episode(tmp_path / "episodes", jumped, box_scene(2))
    kept = {row["start"]: row for row in rows(curate(tmp_path))}
    assert list(kept) == [0, 112] and kept[112]["keep"]
    assert kept[0]["keep"], kept[0]["reject_reasons"]
