"""The page about a dataset and the model that was trained on it."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from markupsafe import Markup, escape

from capture import files
from curation import audit
from curation.audit import Section, charts, page

_NAMES = {
    "truth": "rendered truth",
    "model": "model",
    "no_actions": "model, told to stand still",
    "codec": "truth through the codec",
    "plane": "first frame on one plane, no model",
    "repeat": "first frame repeated",
}
_SMOOTH = 25


def write(dataset: Path, run: Path) -> Path:
    """Write report.html into the run's folder: the audit's sections and the training's.

    Raises:
        ValueError: If the dataset is not curated or the run not evaluated.
    """
    result = files.read_json(run / "evaluation.json", "evaluate the run again")
    training = [
        Section("Model", _follows(run, result)),
        Section("Training", _curve(run)),
    ]
    subtitle = (
        "From an empty folder to a model that follows actions: rendered, measured, packed and "
        "trained on this machine."
    )
    text = page.single(f"relickit {run.name}", subtitle, [*training, *audit.sections(dataset)])
    target = run / "report.html"
    with files.replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return target


def _follows(run: Path, result: dict) -> str:
    commands = list(result["truth"]["signs"])
    videos = "".join(
        f"<figure><figcaption><b>{escape(name.replace('_', ' '))}</b><br>left: rendered truth, "
        f"right: the model</figcaption>{_video(run / 'samples' / name)}</figure>"
        for name in commands
    )
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in commands)
    rows = "".join(
        _row(_NAMES[key], result[key], result["truth"]) for key in _NAMES if key in result
    )
    return Markup(
        f"<p>One first frame that no training clip holds, four commands, "
        f"{result['positions']} places: what the engine renders beside what the model imagines "
        f"from that frame and the path of the camera.</p>"
        f'<div class="grid two">{videos}</div>'
        f'<table class="plain"><thead><tr><th></th>{head}<th>PSNR</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        f'<p class="fine">In each cell: the share of clips that move in the right direction, and '
        f"the size of the motion as a share of the truth's (median; optical flow between every "
        f"fourth frame). {result['sampler_steps']} sampler steps.</p>"
    )


def _row(name: str, values: dict, truth: dict) -> str:
    cells = "".join(
        f"<td>{100 * sign:.0f} %<small> · {values['motion'][command] / size:.2f}</small></td>"
        for (command, sign), size in zip(
            values["signs"].items(), truth["motion"].values(), strict=True
        )
    )
    psnr = f"{values['psnr_db']:.2f} dB" if values is not truth else ""
    return f"<tr><th>{escape(name)}</th>{cells}<td>{psnr}</td></tr>"


def _video(stem: Path) -> str:
    data = base64.b64encode(stem.with_suffix(".mp4").read_bytes()).decode()
    return (
        '<video controls autoplay muted loop playsinline style="width:100%" '
        f'src="data:video/mp4;base64,{data}"></video>'
    )


def _curve(run: Path) -> str:
    log = run / "metrics.jsonl"
    rows = [files.parse_json(line, log) for line in log.read_bytes().splitlines()]
    steps = np.array([row["step"] for row in rows], dtype=float)
    loss = np.array([row["loss"] for row in rows])
    kernel = np.ones(_SMOOTH) / _SMOOTH
    smooth = np.convolve(loss, kernel, mode="valid") if len(loss) > _SMOOTH else loss
    chart = charts.curve(steps[-len(smooth) :], smooth, x_label="step", y_label="loss")
    return Markup(
        f"<figure><figcaption><b>Loss</b> over {len(rows)} steps, mean of {_SMOOTH}; from "
        f"{smooth[0]:.3f} to {smooth[-1]:.3f}</figcaption>{chart}</figure>"
    )
