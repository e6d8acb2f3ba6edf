from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from training import tensors

WEIGHTS = {"a": torch.arange(6.0), "b": torch.ones(2, 3)}


def write(file, what: str) -> None:
    if what == "weights":
        save_file(WEIGHTS, file)
    else:
        torch.save([{"state": WEIGHTS}], file)


@pytest.mark.parametrize("what", ["weights", "states"])
@pytest.mark.parametrize("kept", [0, 7, 0.5, 0.99])
def test_a_cut_file_is_one_sentence_with_the_way_out(tmp_path, what, kept):
    file = tmp_path / "000012" / "model.x"
    file.parent.mkdir()
    write(file, what)
    content = file.read_bytes()
    file.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    read = tensors.load if what == "weights" else tensors.load_states
    with pytest.raises(ValueError, match=r"is damaged \(.+\); delete the folder .+000012 and run"):
        read(file)
    file.unlink()
    with pytest.raises(ValueError, match=r"model\.x is missing; delete the folder"):
        read(file)


def test_what_is_whole_is_read(tmp_path):
    for what in ("weights", "states"):
        write(tmp_path / what, what)
    assert all(torch.equal(v, WEIGHTS[k]) for k, v in tensors.load(tmp_path / "weights").items())
    (states,) = tensors.load_states(tmp_path / "states")
    assert torch.equal(states["state"]["b"], WEIGHTS["b"])
