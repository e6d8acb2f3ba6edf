"""A run's model as a folder in diffusers' format."""

from __future__ import annotations

import shutil
from pathlib import Path

from capture import files
from training.autoencoder import open_codec
from training.model import pretrained
from training.run import RunConfig, averaged_weights, restored


def export(run: Path, folder: Path) -> None:
    """Write the averaged weights of a run's last checkpoint; see `training.model.pretrained`.

    The folder serves as `model.pretrained` of a recipe, and diffusers opens its transformer. A
    fitted codec lies beside the weights as `codec.safetensors`.

    Args:
        run: The run folder of any stage.
        folder: Must not exist yet.

    Raises:
        ValueError: If the run has no checkpoint, or the folder exists.
    """
    recipe, codec_file = RunConfig.load(run).recipe, run / "codec.safetensors"
    model = restored(recipe, open_codec(recipe.codec, codec_file, None), averaged_weights(run))
    pretrained.export(model, folder)
    if codec_file.is_file():
        with files.replacing(folder / codec_file.name) as temporary:
            shutil.copyfile(codec_file, temporary)
