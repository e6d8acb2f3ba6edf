from __future__ import annotations

import io

import numpy as np
import pytest

from shards import arrays

VALUES = {
    "poses": np.arange(32.0).reshape(2, 4, 4),
    "one": np.float64(0.25),
    "none": np.empty((0, 3), dtype=np.float32),
    "columns": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
}


def saved(save, **values) -> bytes:
    out = io.BytesIO()
    save(out, **values)
    return out.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_wrote_is_read(save):
    found = arrays.from_npz(saved(save, **VALUES))
    assert list(found) == list(VALUES)
    for name, value in VALUES.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)


def test_any_changed_byte_of_an_array_is_noticed():
    content = saved(np.savez, values=np.arange(8.0))
    at = content.index(b"\x93NUMPY") + 140
    with pytest.raises(ValueError, match=r"values.npy is damaged"):
        arrays.from_npz(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def test_a_file_that_ends_at_any_byte_is_refused():
    content = saved(np.savez, values=np.arange(8.0))
    for size in range(content.index(b"PK\x01\x02")):
        with pytest.raises(ValueError):
            arrays.from_npz(content[:size])


def test_objects_are_never_unpickled():
    for save in (np.savez, np.savez_compressed):
        with pytest.raises(ValueError, match=r"(?i)object|pickle"):
            arrays.from_npz(saved(save, values=np.array([{}], dtype=object)))


def test_an_npy_of_another_version_is_refused():
    out = io.BytesIO()
    np.lib.format.write_array(out, np.zeros(3), version=(2, 0))
    with pytest.raises(ValueError, match=r"version 1.0 was expected"):
        arrays.from_npy(out.getvalue())
