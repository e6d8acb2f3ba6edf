"""Files of tensors: damage is one sentence, and nothing is unpickled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Any]:
    """A safetensors file, open for reading single tensors.

    Raises:
        ValueError: If it is absent or damaged.
    """
    try:
        with safe_open(file, "pt") as stored:
            yield stored
    except FileNotFoundError as error:
        raise ValueError(f"{file} is missing; {_cure(file)}") from error
    except SafetensorError as error:
        raise ValueError(f"{file} is damaged ({error}); {_cure(file)}") from error


def load(file: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file.

    Raises:
        ValueError: If it is absent or damaged.
    """
    with opened(file) as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118


def load_states(file: Path) -> Any:
    """Tensors in lists and dictionaries, as `torch.save` wrote them.

    Raises:
        ValueError: If the file is absent or damaged.
    """
    try:
        return torch.load(file, weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"{file} is missing; {_cure(file)}") from error
    except Exception as error:  # PyTorch does not say which
        why = str(error).partition("\n")[0] or "it ends too early"
        raise ValueError(f"{file} is damaged ({why}); {_cure(file)}") from error


def _cure(file: Path) -> str:
    what = f"the folder {file.parent}" if file.parent.name.isdigit() else "it"
    return f"delete {what} and run the same command again"
