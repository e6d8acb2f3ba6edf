"""A student begins with runs that fit, and every stage's loss is what it was."""

from __future__ import annotations

import dataclasses

import pytest
from toy_runs import losses

from training.stages import distill, ode, teacher


@pytest.mark.parametrize(
    "what, message",
    [
        ("no teacher", "no config.json"),
        ("another model", r"trained with model\."),
        ("causal teacher", "needs a bidirectional teacher"),
        ("bidirectional for causal", "needs a causal teacher"),
        ("teacher as student", "is no student but a teacher"),
        ("no such stage", "has no stage 'ode'"),
        ("other teacher", "was started with teacher_sha"),
    ],
)
def test_wrong_origins_are_refused(clips, recipe, teacher_run, tmp_path, what, message):
    run, options = tmp_path / "run", {"teacher": teacher_run}
    changed = recipe
    # No paths of a teacher have to be made for it.
    from_data = dataclasses.replace(recipe, ode=dataclasses.replace(recipe.ode, init="df"))
    causal = dataclasses.replace(recipe, ode=dataclasses.replace(recipe.ode, init="ode_causal"))
    if what == "no teacher":
        options = {"teacher": run}
    elif what == "another model":
        changed = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, layers=1))
    elif what == "causal teacher":
        ode.train(clips, from_data, tmp_path / "student", teacher=teacher_run, steps=1)
        options = {"teacher": tmp_path / "student"}
    elif what == "bidirectional for causal":
        changed = causal
    elif what == "teacher as student":
        options |= {"student": teacher_run}
    elif what == "no such stage":
        changed = dataclasses.replace(recipe, ode=None)
    else:
        changed = from_data
        ode.train(clips, changed, run, teacher=teacher_run, steps=1)
        other = tmp_path / "other"
        teacher.train(clips, dataclasses.replace(recipe, seed=1), other, steps=1)
        options = {"teacher": other}
    with pytest.raises(ValueError, match=message):
        ode.train(clips, changed, run, **options)
    assert run.exists() is (what == "other teacher"), "what is refused leaves nothing"


CURVES = {
    "teacher": [5.930e-2, 2.744e-2, 3.498e-2],
    "ode": [1.632e-4, 1.371e-4, 2.381e-4],
    "distill": [1.935e-3, 7.454e-7, 2.696e-3, 1.561e-5],
}


def test_seeded_loss_curves(clips, recipe, teacher_run, tmp_path):
    """What every stage's loss was when it was last looked at (verification list, 18)."""
    ode.train(clips, recipe, tmp_path / "ode", teacher=teacher_run)
    distill.train(
        clips, recipe, tmp_path / "distill", teacher=teacher_run, student=tmp_path / "ode"
    )
    found = {
        "teacher": losses(teacher_run),
        "ode": losses(tmp_path / "ode"),
        "distill": losses(tmp_path / "distill"),
    }
    for stage, curve in CURVES.items():
        assert found[stage] == pytest.approx(curve, rel=0.05), found[stage]
