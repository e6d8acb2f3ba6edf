"""The dataset card: shards/README.md, for people and for the Hugging Face Hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from capture.actions import NAMES
from shards.schema import CONVENTIONS, SPLITS

NAME = "README.md"
# The Hub's name for each split.
_HUB_SPLIT = {"train": "train", "val": "validation"}
_TEXT = """\
---
pretty_name: Rendered camera trajectories
# Choose one before publishing: https://huggingface.co/docs/hub/repositories-licenses
license: unknown
language: [en]
task_categories: [image-to-video]
tags: [webdataset, video, world-model, camera-control, synthetic]
size_categories: [{size_category}]
configs:
- config_name: default
  data_files:
{data_files}
---

# Rendered camera trajectories with poses and actions

Video clips of rendered scenes. Every frame has its camera pose and the 13 camera actions of RELIC
(arXiv 2512.04040) that lead to it. A scene is in one split only. Made with relickit.

## Load it

In this folder, with nothing but `webdataset` and `numpy`:

```python
import glob, io, numpy, webdataset
for sample in webdataset.WebDataset(sorted(glob.glob("train-*.tar")), shardshuffle=False):
    poses = numpy.load(io.BytesIO(sample["camera.npz"]))["cam_to_world"]  # float64 [T, 4, 4]
    actions = numpy.load(io.BytesIO(sample["actions.npz"]))["values"]  # float64 [T, 13]
    video = sample["rgb.mp4"]  # the bytes of a file with T frames
```

`manifest.json` and the Parquet tables that it names list every part of every sample with its
offset, size and crc32; relickit's `shards.reader.ShardDataset` reads single windows through them.

## What is inside

| split | scenes | clips | frames | minutes | shards | MB |
|---|---|---|---|---|---|---|
{splits}

| clips by | |
|---|---|
| path generator | {generators} |
| frames | {lengths} |
| size in pixels | {sizes} |
| frames a second | {rates} |

{captions} different captions of {fewest} to {most} words; they say what is seen, not how the
camera moves.

| part of a sample | content |
|---|---|
| `rgb.mp4` | T frames: {color} |
| `camera.npz` | `cam_to_world` float64 [T, 4, 4], `t_s` float64 [T], `intrinsics` float64 [6]: \
fx, fy, cx, cy, width, height in pixels |
| `actions.npz` | `values` float64 [T, 13], `step_m`: metres of one unit of translation |
| `meta.json` | ids, first and last frame, fps, caption, conventions |

Folders beside the tars, where there are any, hold more of the same clips under the same keys, tar
by tar. `encoder.json` says what made them; `webdataset` reads them like the videos, and relickit's
`shards.latents` and `shards.depth` by clip.

| folder | part of a sample |
|---|---|
| `latents-*` | `latents_00000.npy` float16 [F, C, h, w]: what a codec made of the frames |
| `text-*` | `words.npy` float16 [n, dim]: what a text encoder made of the caption |
| `depth-*` | `depth.mkv`: planar depth of the T frames, FFV1 gray16; formula in `encoder.json` |

The 13 actions are, in this order: {names}. Translations are in units of the clip's mean step \
`step_m`, rotations in degrees per frame; all are at least 0.

## Conventions

- World: {world}.
- Camera: {camera}.
- Pose: {pose}.
- Actions: {actions}.

## Licence

To be filled in by who publishes: it follows from the licences of the scenes that were rendered.
"""
# The Hub's names for numbers of samples.
_SIZES = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(manifest: dict, samples: pa.Table) -> str:
    """The text of README.md: a header that the Hub reads, then what is inside and how to read it.

    Args:
        manifest: Its content.
        samples: The table of all samples.
    """
    present = [split for split in SPLITS if manifest["splits"][split]["samples"]]
    captions = samples["caption"].unique().to_pylist()
    words = [len(caption.split()) for caption in captions]
    sizes = zip(samples["width_px"].to_pylist(), samples["height_px"].to_pylist(), strict=True)
    return _TEXT.format(
        size_category=next((name for most, name in _SIZES if len(samples) < most), "n>1M"),
        data_files="\n".join(
            f"  - split: {_HUB_SPLIT[split]}\n    path: {split}-*.tar" for split in present
        ),
        splits="\n".join(totals(manifest)),
        generators=_counts(samples["generator"].to_pylist()),
        lengths=_counts(samples["num_frames"].to_pylist()),
        sizes=_counts(f"{width}x{height}" for width, height in sizes),
        rates=_counts(f"{fps:g}" for fps in samples["fps"].to_pylist()),
        captions=len(captions),
        fewest=min(words),
        most=max(words),
        names=", ".join(f"`{name}`" for name in NAMES),
        **CONVENTIONS,
    )


def counts(path: Path, manifest: dict) -> bool:
    """Whether a README.md is there and counts what a manifest does; people may edit the rest."""
    try:
        return set(totals(manifest)) <= set(path.read_text().splitlines())
    except (OSError, ValueError):
        return False


def totals(manifest: dict) -> list[str]:
    """The lines of README.md that count each split."""
    splits = manifest["splits"]
    return [_row(split, splits[split]) for split in SPLITS if splits[split]["samples"]]


def _counts(values: Iterable[object]) -> str:
    found = sorted(Counter(values).items(), key=lambda item: str(item[0]))
    return ", ".join(f"{value}: {n:,} clip{'' if n == 1 else 's'}" for value, n in found)


def _row(split: str, totals: dict) -> str:
    cells = [split, len(totals["scenes"]), totals["samples"], totals["frames"]]
    cells += [f"{totals['seconds'] / 60:.1f}", totals["shards"], f"{totals['bytes'] / 1e6:.1f}"]
    return "| " + " | ".join(map(str, cells)) + " |"
