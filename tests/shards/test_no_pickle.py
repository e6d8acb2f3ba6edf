"""Nothing is unpickled, in any package: not by import, not by NumPy, not by PyTorch."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import numpy as np
import pytest

from shards import codec

ROOT = Path(__file__).parents[2]
PACKAGES = ("capture", "curation", "shards", "training", "pipelines")
UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
WORDS = (*UNPICKLERS, ".load(")


def offences(source: str) -> list[int]:
    """Lines that unpickle, or might."""
    found = []
    if not any(word in source for word in WORDS):
        return found
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").partition(".")[0]}
        elif isinstance(node, ast.Call):
            names = {"pickle"} if _may_unpickle(node) else set()
        else:
            continue
        if names & UNPICKLERS:
            found.append(node.lineno)
    return found


def _may_unpickle(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    said = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return (
        (name == "np.load" and said.get("allow_pickle", "False") != "False")
        or (name == "torch.load" and said.get("weights_only") != "True")
        or name.endswith(".read_pickle")
    )


def test_no_module_unpickles():
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(files) > 100
    assert {str(path): lines for path in files if (lines := offences(path.read_text()))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "np.load(f, allow_pickle=True)",
        "torch.load(f)",
        "pd.read_pickle(f)",
    ],
)
def test_the_search_finds(line):
    assert offences(line) == [1]


def test_a_pickled_array_in_a_part_is_refused():
    out = io.BytesIO()
    np.savez(out, values=np.array([{"code": 1}], dtype=object), step_m=np.float64(1))
    with pytest.raises(ValueError, match=r"actions.npz needs the arrays.*have to be unpickled"):
        codec.decode_actions(out.getvalue())
