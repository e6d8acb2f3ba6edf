"""The dataset card: shards/README.md, for people and for the Hugging Face Hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from shards.schema import CONVENTIONS, SPLITS, Sample

NAME = "README.md"
# The Hub's name for each split.
_HUB_SPLIT = {"train": "train", "val": "validation"}
_TEXT = """\
---
tags: [webdataset, video, world-model, camera-control, synthetic]
task_categories: [image-to-video]
configs:
- config_name: default
  data_files:
{data_files}
---

# Rendered camera trajectories with poses and actions

Video clips of rendered scenes. Every frame has its camera pose and the 13 camera actions of RELIC
(arXiv 2512.04040) that lead to it. A scene is in one split only. Made with relickit.

| split | scenes | clips | frames | minutes | shards | MB |
|---|---|---|---|---|---|---|
{splits}

Clips by path generator: {generators}.

| part of a sample | content |
|---|---|
| `rgb.mp4` | T frames: {color} |
| `camera.npz` | `cam_to_world` float64 [T, 4, 4], `t_s` float64 [T], `intrinsics` float64 [6]: \
fx, fy, cx, cy, width, height |
| `actions.npz` | `values` float64 [T, 13], `step_m`: metres of one unit of translation |
| `meta.json` | ids, first and last frame, fps, caption, conventions |

- World: {world}.
- Camera: {camera}.
- Actions: {actions}.

```python
import glob, io, numpy, webdataset

tars = sorted(glob.glob("train-*.tar"))
for sample in webdataset.WebDataset(tars, shardshuffle=False):
    actions = numpy.load(io.BytesIO(sample["actions.npz"]))["values"]  # float64 [T, 13]
```

`manifest.json` and the Parquet tables that it names list every part of every sample with its
offset, size and crc32; relickit's `shards.reader.ShardDataset` reads single windows through them.
"""


def card(manifest: dict, samples: Iterable[Sample]) -> str:
    """The text of README.md: a header that the Hub reads, then what is inside and how to read it.

    Args:
        manifest: Its content.
        samples: All samples, for the count of each generator.
    """
    splits = manifest["splits"]
    present = [split for split in SPLITS if splits[split]["samples"]]
    generators = Counter(sample.generator for sample in samples)
    return _TEXT.format(
        data_files="\n".join(
            f"  - split: {_HUB_SPLIT[split]}\n    path: {split}-*.tar" for split in present
        ),
        splits="\n".join(_row(split, splits[split]) for split in present),
        generators=", ".join(f"{name} {count}" for name, count in sorted(generators.items())),
        **CONVENTIONS,
    )


def _row(split: str, totals: dict) -> str:
    cells = [split, len(totals["scenes"]), totals["samples"], totals["frames"]]
    cells += [f"{totals['seconds'] / 60:.1f}", totals["shards"], f"{totals['bytes'] / 1e6:.1f}"]
    return "| " + " | ".join(map(str, cells)) + " |"
