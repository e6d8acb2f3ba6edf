"""Arrays from the bytes of .npy and .npz files: much faster than `numpy.load`, never unpickled."""

from __future__ import annotations

import functools
import io
import math
import struct
import zipfile
import zlib

import numpy as np

# A zip's local header: mark, version, flags, method, time, date, crc32, two sizes, lengths of the
# name and of the extra field, which holds the sizes where those are _LARGE (APPNOTE 4.3.7, 4.5.3).
_LOCAL, _SIZES = struct.Struct("<4s5H3L2H"), struct.Struct("<2H2Q")
_LOCAL_MARK, _CENTRAL_MARK = b"PK\x03\x04", b"PK\x01\x02"
_ZIP64, _LARGE = 1, 0xFFFFFFFF


def from_npy(content: bytes | memoryview) -> np.ndarray:
    """The array of a .npy file where it lies, read-only.

    Raises:
        ValueError: If it is no .npy file of version 1.0, or one of objects.
    """
    begin = 10 + int.from_bytes(content[8:10], "little")
    shape, dtype, fortran = _layout(bytes(content[:begin]))
    flat = np.frombuffer(content, dtype, count=math.prod(shape), offset=begin)
    return flat.reshape(shape, order="F" if fortran else "C")


def from_npz(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name, read-only.

    Raises:
        ValueError: If it is no .npz file, is damaged, or holds objects.
    """
    if not content.startswith(_LOCAL_MARK):
        raise ValueError("it is no .npz file")
    try:
        members = _members(content)
        if members is not None:
            return {name: from_npy(member) for name, member in members.items()}
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)
    except (EOFError, OSError, struct.error, zipfile.BadZipFile) as error:
        raise ValueError(str(error)) from error


def _members(content: bytes) -> dict[str, memoryview] | None:
    """What a zip holds, if it is as `numpy.savez` writes it: nothing compressed, sizes in front.

    Raises:
        ValueError: If a member is not what its checksum says.
        struct.error: If the zip ends in a header.
    """
    view, members, at = memoryview(content), {}, 0
    while content[at : at + 4] == _LOCAL_MARK:
        _, _, flags, method, _, _, crc32, _, size, name_bytes, extra_bytes = _LOCAL.unpack_from(
            content, at
        )
        name_at = at + _LOCAL.size
        extra_at = name_at + name_bytes
        begin = extra_at + extra_bytes
        if size == _LARGE:
            kind, _, size, _ = _SIZES.unpack_from(content, extra_at)
            method = method if kind == _ZIP64 else -1
        if flags or method:
            return None
        name, member = content[name_at:extra_at].decode(), view[begin : begin + size]
        if len(member) != size or zlib.crc32(member) != crc32:
            raise ValueError(f"{name} is damaged")
        members[name.removesuffix(".npy")], at = member, begin + size
    return members if content[at : at + 4] == _CENTRAL_MARK else None


@functools.lru_cache(maxsize=256)
def _layout(header: bytes) -> tuple[tuple[int, ...], np.dtype, bool]:
    """Shape, type and order from the beginning of a .npy file; few differ, parsing takes long."""
    file = io.BytesIO(header)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"an array of .npy version 1.0 was expected, got {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject:
        raise ValueError("an array of objects is not read: it would have to be unpickled")
    return shape, dtype, fortran
