"""ATE and RPE: equal to evo 1.38.1 on its own terms, and exact where the answer is known.

The reference numbers were made with evo's APE and RPE on `paths()`; evo is GPL and no dependency.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from curation import alignment

# rmse, mean, median, std, min, max
EVO_ATE = {
    ("se3", "m"): (
        1.754720560422,
        1.666721563447,
        1.742519179663,
        0.548710739014,
        0.467988451034,
        2.456800361944,
    ),
    ("se3", "deg"): (
        0.318814308449,
        0.303820381484,
        0.304099645856,
        0.096621628357,
        0.035573883239,
        0.483830472782,
    ),
    ("sim3", "m"): (
        0.062490630691,
        0.055271450906,
        0.050374148698,
        0.029157257053,
        0.002189452608,
        0.130560963507,
    ),
    ("sim3", "deg"): (
        0.318814308449,
        0.303820381484,
        0.304099645856,
        0.096621628357,
        0.035573883239,
        0.483830472782,
    ),
    ("origin", "m"): (
        2.704841289886,
        2.381796874632,
        2.29037112221,
        1.281877549326,
        0.0,
        4.275856555339,
    ),
    ("origin", "deg"): (
        0.46033688861,
        0.434721836672,
        0.44752046845,
        0.15141656361,
        0.0,
        0.772877557125,
    ),
    ("none", "m"): (
        5.134642510361,
        5.00815427579,
        4.868013741684,
        1.132671381775,
        2.998381627375,
        6.837443855353,
    ),
    ("none", "deg"): (
        36.044647736872,
        36.044246673734,
        36.055193153388,
        0.170035873249,
        35.708387734375,
        36.439005645304,
    ),
}
EVO_SCALE = 0.5886350275191988
EVO_RPE = {
    (1, "frames", False, "m"): (
        0.035848224913,
        0.034497083829,
        0.032809175422,
        0.009749176208,
        0.016688785709,
        0.054083068257,
        59,
    ),
    (1, "frames", False, "deg"): (
        0.252350568224,
        0.239954138031,
        0.258456669987,
        0.078120553792,
        0.052078906917,
        0.346767732689,
        59,
    ),
    (5, "frames", False, "m"): (
        0.041123844547,
        0.038811302617,
        0.036851978361,
        0.013596079565,
        0.018642782408,
        0.061423470425,
        11,
    ),
    (5, "frames", False, "deg"): (
        0.281433866741,
        0.263871910683,
        0.271626400551,
        0.097860288685,
        0.059214547938,
        0.408297438828,
        11,
    ),
    (5, "frames", True, "m"): (
        0.042698261889,
        0.040905290003,
        0.04263698662,
        0.012243317285,
        0.018055872689,
        0.066505322174,
        55,
    ),
    (5, "frames", True, "deg"): (
        0.280594784067,
        0.262166097065,
        0.280601024469,
        0.100011851275,
        0.059214547938,
        0.416497481714,
        55,
    ),
    (1.0, "m", False, "m"): (
        0.042405391964,
        0.03927326871,
        0.038378287781,
        0.015994612606,
        0.005135643563,
        0.060400147738,
        15,
    ),
    (1.0, "m", False, "deg"): (
        0.386437508938,
        0.348227992648,
        0.338672034759,
        0.167544661063,
        0.099119138395,
        0.563268627008,
        15,
    ),
}
NAMES = ("rmse", "mean", "median", "std", "min", "max")


def paths() -> tuple[np.ndarray, np.ndarray]:
    """An estimate and its reference: turned, moved, 1.7 times too large, drifting and shaking."""
    n = 60
    t, k = np.arange(n) / 10.0, np.arange(n)
    reference = np.tile(np.eye(4), (n, 1, 1))
    reference[:, :3, 3] = np.stack(
        [3 * np.cos(t), 2 * np.sin(1.3 * t), 0.5 * np.sin(2 * t) + 0.1 * t], -1
    )
    angles = np.stack([40 * t, 10 * np.sin(t), 5 * np.cos(t)], -1)
    reference[:, :3, :3] = Rotation.from_euler("zyx", angles, degrees=True).as_matrix()
    estimate = reference.copy()
    shake = np.stack([np.sin(1.7 * k), np.cos(2.3 * k), np.sin(0.9 * k + 1)], -1)
    estimate[:, :3, 3] += 0.02 * shake + 0.003 * k[:, None] * [1, -0.5, 0.2]
    nod = np.stack([0.3 * np.sin(k), 0.2 * np.cos(1.1 * k), 0.01 * k], -1)
    estimate[:, :3, :3] @= Rotation.from_euler("xyz", nod, degrees=True).as_matrix()
    turn = Rotation.from_euler("zyx", [30, -20, 10], degrees=True).as_matrix()
    estimate[:, :3, :3] = turn @ estimate[:, :3, :3]
    estimate[:, :3, 3] = 1.7 * estimate[:, :3, 3] @ turn.T + [4.0, -2.0, 1.0]
    return estimate, reference


@pytest.mark.parametrize("how", ["se3", "sim3", "origin", "none"])
def test_ate_equals_evo(how):
    for errors in alignment.ate(*paths(), how)[:2]:
        found = errors.to_json()
        wanted = EVO_ATE[how, errors.unit]
        assert [found[name] for name in NAMES] == pytest.approx(wanted, abs=2e-8)


def test_umeyama_scale_equals_evo():
    *_, motion = alignment.ate(*paths(), "sim3")
    assert motion.scale == pytest.approx(EVO_SCALE, rel=1e-12)


@pytest.mark.parametrize(
    ("delta", "unit", "overlapping"), sorted({key[:3] for key in EVO_RPE}, key=str)
)
def test_rpe_equals_evo(delta, unit, overlapping):
    estimate, reference = paths()
    *_, motion = alignment.ate(estimate, reference, "sim3")
    for errors in alignment.rpe(motion(estimate), reference, delta, unit, overlapping=overlapping):
        found = errors.to_json()
        *wanted, count = EVO_RPE[delta, unit, overlapping, errors.unit]
        assert [found[name] for name in NAMES] == pytest.approx(wanted, abs=2e-8)
        assert found["count"] == count


@given(
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(-50, 50)] * 3),
    st.floats(0.05, 20),
)
@settings(max_examples=25, deadline=None)
def test_a_similarity_is_undone(angles, shift, scale):
    _, reference = paths()
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    estimate = reference.copy()
    estimate[:, :3, :3] = turn @ reference[:, :3, :3]
    estimate[:, :3, 3] = scale * reference[:, :3, 3] @ turn.T + shift
    apart, turned, motion = alignment.ate(estimate, reference, "sim3")
    assert apart.values.max() < 1e-9 and turned.values.max() < 1e-5
    assert motion.scale == pytest.approx(1 / scale, rel=1e-9)


def test_a_mirrored_path_is_not_turned_into_its_mirror_image():
    _, reference = paths()
    estimate = reference.copy()
    estimate[:, 0, 3] *= -1
    apart, _, motion = alignment.ate(estimate, reference, "sim3")
    assert np.linalg.det(motion.rotation) == pytest.approx(1.0) and apart.values.max() > 0.1


def test_what_cannot_be_compared_is_a_sentence():
    estimate, reference = paths()
    line = np.tile(np.eye(4), (9, 1, 1))
    line[:, 0, 3] = np.arange(9)
    with pytest.raises(ValueError, match="lie on a line"):
        alignment.ate(line, line)
    with pytest.raises(ValueError, match="60 and 59 poses"):
        alignment.ate(estimate, reference[1:])
    with pytest.raises(ValueError, match="shorter than one step of 100 frames"):
        alignment.rpe(estimate, reference, 100)
    with pytest.raises(ValueError, match="shorter than one step of 1000 m"):
        alignment.rpe(estimate, reference, 1000, "m")
    with pytest.raises(ValueError, match=r"whole number of frames from 1, got 1\.5"):
        alignment.rpe(estimate, reference, 1.5)


def test_frames_are_associated_by_time():
    pairs = alignment.associate(
        np.array([0.0, 0.51, 1.3, 2.0]), np.array([0.02, 0.5, 1.0, 2.01]), 0.05
    )
    assert pairs.tolist() == [[0, 0], [1, 1], [3, 3]]
    assert not len(alignment.associate(np.array([5.0]), np.array([1.0]), 0.1))
