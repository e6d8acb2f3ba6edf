"""Tensors that are split over processes, on disk: PyTorch's distributed checkpoints.

Every process writes what it has, as safetensors with the place of each piece in its header. Any
number of processes, one included, reads them back, each what it needs. Nothing is pickled.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import distributed
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter as Writer
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load as load_parts
from torch.distributed.checkpoint.state_dict_saver import save as save_parts

from capture import files


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """`capture.files.replacing_folder`, into which all processes write."""
    if not distributed.is_initialized():
        with files.replacing_folder(path) as folder:
            yield folder
        return
    told: list[str | None] = [None]
    if distributed.get_rank() == 0:
        with files.replacing_folder(path) as folder:
            told[0] = str(folder)
            distributed.broadcast_object_list(told)
            yield folder
            distributed.barrier()
    else:
        distributed.broadcast_object_list(told)
        assert told[0] is not None
        yield Path(told[0])
        distributed.barrier()
    # Nobody goes on before the folder has its name.
    distributed.barrier()


def save(tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Write tensors, split or not; every process calls it with the same names."""
    save_parts(
        dict(tensors),
        storage_writer=Writer(str(folder), save_distributed=True),
        no_dist=not distributed.is_initialized(),
    )


def load(tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Read into tensors, however they are split; every process calls it.

    Raises:
        ValueError: If one of them is not there, or has another shape.
    """
    there = describe(folder)
    for name, tensor in tensors.items():
        if name not in there:
            raise ValueError(f"{folder} is of another model: it has no {name}")
        if there[name].shape != tensor.shape:
            raise ValueError(
                f"{folder}: {name} has the shape {list(there[name].shape)}, the model's is "
                f"{list(tensor.shape)}"
            )
    _read(tensors, folder, alone=not distributed.is_initialized())


def describe(folder: Path) -> dict[str, torch.Tensor]:
    """What a folder holds: whole tensors without data, on the device "meta"."""
    found = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    return {
        name: torch.empty(about.size, dtype=about.properties.dtype, device="meta")
        for name, about in found.items()
        if isinstance(about, TensorStorageMetadata)
    }


def whole(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a folder, whole, for one process alone."""
    tensors = {name: torch.empty_like(t, device="cpu") for name, t in describe(folder).items()}
    _read(tensors, folder, alone=True)
    return tensors


def _read(tensors: Mapping[str, torch.Tensor], folder: Path, *, alone: bool) -> None:
    with warnings.catch_warnings():
        # That one process reads alone is what is meant.
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        reader = HuggingFaceStorageReader(str(folder))
        load_parts(dict(tensors), storage_reader=reader, no_dist=alone)
