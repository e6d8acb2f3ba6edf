"""Wan 2.1 in diffusers' format: weights into a world model, and a world model back.

FOLDER/transformer/config.json              of diffusers' `WanTransformer3DModel`
FOLDER/transformer/*.safetensors            one file, or several with an index
FOLDER/conditioning/config.json             ours: `ModelConfig` and what the output means
FOLDER/conditioning/model.safetensors       ours: the encoders of actions and camera

Wan's own folders have no `conditioning`; `WanTransformer3DModel.from_pretrained` opens ours too.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from capture import config, files
from training.model import deferred, lora
from training.model.wan import WorldModel
from training.parallel import shard

_LOG = logging.getLogger(__name__)
_WEIGHTS = "diffusion_pytorch_model.safetensors"
_PARTS = ("transformer", "conditioning")
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_WAN_THETA = 10_000.0


def load(model: WorldModel, source: str) -> None:
    """Copy pretrained weights into a model.

    From a folder without `conditioning` only the transformer is loaded; the model then has to
    begin as that transformer: outputs of conditioning zero, nothing else departing from Wan.

    Args:
        model: On any device, in any float type; tensors are read one at a time.
        source: A folder, or a name on Hugging Face (then downloaded, or taken from its cache).

    Raises:
        ValueError: If there is no such model, or its architecture differs from the recipe's.
    """
    _LOG.info("Model: loading %s", source)
    folder = _folder(source)
    transformer: Any = model.transformer
    _same_architecture(dict(transformer.config), folder / "transformer" / "config.json")
    conditioning = folder / "conditioning"
    if conditioning.is_dir():
        _same_conditioning(model, conditioning / "config.json")
    else:
        _starts_as_wan(model, source)
    deferred.fill(model, functools.partial(_copy_all, folder))


def fingerprint(source: str) -> str:
    """SHA-256 of a model's weights, over those of its files in order.

    Args:
        source: As in `load`.
    """
    folder = _folder(source)
    weights = _weight_files(folder / "transformer")
    weights += sorted((folder / "conditioning").glob("*.safetensors"))
    return hashlib.sha256("".join(files.sha256(file) for file in weights).encode()).hexdigest()


def export(model: WorldModel, folder: Path, *, max_shard_size: str = "5GB") -> None:
    """Write a model so that `load` and diffusers open it; the folder appears whole.

    Adapters are merged into the weights.

    Args:
        model: With the weights to write.
        folder: Must not exist yet.
        max_shard_size: Largest file of the transformer, as diffusers takes it.

    Raises:
        ValueError: If the folder exists.
    """
    if folder.exists():
        raise ValueError(f"{folder} exists already; choose a folder that does not, or delete it")
    weights = {name: p.detach().contiguous() for name, p in model.conditioning.named_parameters()}
    with files.replacing_folder(folder) as temporary:
        _plain(model).save_pretrained(temporary / "transformer", max_shard_size=max_shard_size)
        (temporary / "conditioning").mkdir()
        save_file(weights, temporary / "conditioning" / "model.safetensors")
        files.write_json(temporary / "conditioning" / "config.json", _described(model))


def _plain(model: WorldModel) -> WanTransformer3DModel:
    """The transformer as diffusers makes it, adapters merged; weights are shared, not copied."""
    with torch.device("meta"):
        plain: Any = WanTransformer3DModel.from_config(model.transformer.config)
    plain.load_state_dict(lora.merged(model.transformer), assign=True)
    return plain


def _described(model: WorldModel) -> dict[str, Any]:
    """What decides the meaning of a model's weights, JSON-ready."""
    own = dataclasses.replace(model.config, pretrained="")
    return {
        "model": config.to_json(own),
        "prediction": model.flow.prediction,
        "warp_depths_m": list(model.flow.warp_depths_m),
    }


def _folder(source: str) -> Path:
    """The local folder with `transformer` in it."""
    path = Path(source).expanduser()
    if not path.exists() and _NAME.fullmatch(source):
        try:
            parts = [f"{part}/*.{kind}" for part in _PARTS for kind in ("json", "safetensors")]
            path = Path(snapshot_download(source, allow_patterns=parts))
        except (HfHubHTTPError, OSError) as error:
            raise ValueError(
                f"{source} is no folder here, and cannot be downloaded from Hugging Face: {error}"
            ) from error
    if (path / "transformer" / "config.json").is_file():
        return path
    if (path / "config.json").is_file() and path.name == "transformer":
        return path.parent
    raise ValueError(
        f"{source} is no model in diffusers' format: it has no transformer/config.json; Wan's are "
        "called Wan-AI/Wan2.1-T2V-1.3B-Diffusers and Wan-AI/Wan2.1-T2V-14B-Diffusers"
    )


def _same_architecture(ours: dict[str, Any], file: Path) -> None:
    theirs = files.read_json(file)
    kind = theirs.get("_class_name")
    if kind != "WanTransformer3DModel":
        raise ValueError(f"{file} is of a {kind}, expected a WanTransformer3DModel")
    different = [
        f"{key} is {theirs[key]!r} there and {plain!r} in the recipe"
        for key, value in ours.items()
        if key in theirs and theirs[key] != (plain := list(value) if _is_list(value) else value)
    ]
    if different:
        raise ValueError(
            f"{file} is another architecture than the recipe's: {'; '.join(different)}"
        )


def _same_conditioning(model: WorldModel, file: Path) -> None:
    stored, wanted = (
        {**d, **d.get("model", {})} for d in (files.read_json(file), _described(model))
    )
    # They say how weights start, how long videos are, and what computes them: weights serve all.
    for key in ("model", "zero_init", "qk_bias", "yarn_factor", "yarn_latents", "attention"):
        del wanted[key]
    different = [
        f"{key} is {stored.get(key)!r} there and {value!r} in the recipe"
        for key, value in wanted.items()
        if stored.get(key) != value
    ]
    if different:
        raise ValueError(f"{file} is of another model than the recipe's: {'; '.join(different)}")


def _starts_as_wan(model: WorldModel, source: str) -> None:
    config = model.config
    departures = {
        "model.zero_init must be true": not config.zero_init,
        f"model.rope_theta must be {_WAN_THETA:g}": config.rope_theta != _WAN_THETA,
        "flow.prediction must be 'v'": model.flow.prediction != "v",
    }
    if wrong := [rule for rule, broken in departures.items() if broken]:
        raise ValueError(
            f"to start from {source}, which has no weights of conditioning, {' and '.join(wrong)}"
        )


def _weight_files(folder: Path) -> list[Path]:
    index = folder / f"{_WEIGHTS}.index.json"
    if not index.is_file():
        return [folder / _WEIGHTS]
    names = sorted(set(files.read_json(index)["weight_map"].values()))
    if strange := [name for name in names if Path(name).name != name]:
        raise ValueError(f"{index} names a file outside of its folder: {strange[0]!r}")
    return [folder / name for name in names]


def _copy_all(folder: Path, targets: Mapping[str, torch.Tensor]) -> None:
    """Fill the parameters of a model, by name."""
    _copy(_below("transformer", targets), _weight_files(folder / "transformer"))
    if (folder / "conditioning").is_dir():
        _copy(_below("conditioning", targets), [folder / "conditioning" / "model.safetensors"])


def _below(part: str, targets: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = [name for name in targets if name.startswith(f"{part}.")]
    return {name.removeprefix(f"{part}."): targets[name] for name in names}


@torch.no_grad()
def _copy(missing: dict[str, torch.Tensor], weights: list[Path]) -> None:
    """Fill parameters, split or not, from files, one tensor at a time."""
    for file, name, value in _tensors(weights):
        if name not in missing:
            raise ValueError(f"{file} holds {name!r}, which the recipe's model does not have")
        parameter = missing.pop(name)
        if parameter.shape != value.shape:
            raise ValueError(
                f"{file}: {name} has the shape {list(value.shape)}, the recipe's model has "
                f"{list(parameter.shape)}"
            )
        shard.assign(parameter, value)
    if missing:
        raise ValueError(f"{weights[0].parent} lacks {min(missing)!r} ({len(missing)} tensors)")


def _tensors(weights: list[Path]) -> Iterator[tuple[Path, str, torch.Tensor]]:
    for file in weights:
        if not file.is_file():
            raise ValueError(f"{file} is missing; nothing but safetensors is read")
        try:
            with safe_open(file, framework="pt") as stored:
                for name in stored.keys():  # noqa: SIM118 (no mapping)
                    yield file, name, stored.get_tensor(name)
        except SafetensorError as error:
            raise ValueError(f"{file} is damaged: {error}") from error


def _is_list(value: Any) -> bool:
    return isinstance(value, tuple | list)
