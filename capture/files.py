"""Files that are either whole or absent: temporary name, fsync, rename."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

_MARK = ".tmp-"
_SHOWN = 40  # characters of a wrong value
# The mode of new files. Only setting the mask tells what it was, and threads would notice.
_UMASK = os.umask(0o077)
os.umask(_UMASK)
_NEW_FILES = 0o666 & ~_UMASK


def cache_folder() -> Path:
    """Where relickit keeps what can be made again: `$XDG_CACHE_HOME` or `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "relickit"


def temporary_beside(path: Path) -> Path:
    """An unused hidden name in the same folder, with the same suffix; `sweep` finds it again.

    Hidden, so that `train-*.tar` in a shell or a loader never matches a half-written file.
    """
    token = f"{temporary_mark()}{os.getpid()}-{secrets.token_hex(3)}"
    return path.with_name(f".{path.stem}{token}{path.suffix}")


def temporary_mark() -> str:
    """What the temporary names of those processes have in common whose numbers mean the same here.

    Containers may share a host's name, but not its processes.
    """
    try:
        processes = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        processes = 0
    return f"{_MARK}{socket.gethostname()}.{processes}-"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file name that takes the place of `path` when the block ends well.

    Raises:
        OSError: What the block raised; nothing is left behind and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        yield temporary
        _share(temporary)
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: it appears under its name whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    temporary.mkdir()
    try:
        yield temporary
        for file in sorted(temporary.rglob("*")):
            _share(file)
            sync(file)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _share(path: Path) -> None:
    """Let those read a file who may read any new one: some libraries write for the owner alone."""
    mode = path.stat().st_mode
    if path.is_file() and (wanted := mode | _NEW_FILES) != mode:
        path.chmod(wanted)


@contextlib.contextmanager
def alone(folder: Path, otherwise: str) -> Iterator[None]:
    """Have a folder for oneself, as far as its file system knows locks; made if it is not there.

    Raises:
        ValueError: If another process has it: `otherwise`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(otherwise) from error
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> int:
    """Remove what a killed process of this machine left under temporary names; returns how many."""
    here = temporary_mark()
    swept = 0
    for entry in folder.glob(f"*{here}*") if folder.is_dir() else ():
        pid = entry.name.split(here, 1)[1].split("-", 1)[0]
        if pid.isdigit() and _alive(int(pid)):
            continue
        # Somebody else may be sweeping the same folder.
        shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(
            missing_ok=True
        )
        swept += 1
    return swept


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_json(path: Path, data: object) -> None:
    """Indented, sorted JSON, written atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")


def facts(path: Path) -> dict[str, int | str]:
    """`bytes` and `sha256` of a file, as they are kept beside it."""
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path, remedy: str = "") -> dict:
    """An object from a JSON file; see `parse_json`.

    Raises:
        ValueError: If the file holds none.
        OSError: If it cannot be read.
    """
    return parse_json(path.read_bytes(), path, remedy)


def parse_json(content: str | bytes, where: object, remedy: str = "") -> dict:
    """An object from JSON in UTF-8, whatever was done to it.

    Args:
        content: The text.
        where: What it is, for messages.
        remedy: What to do about damage, the second half of the sentence.

    Raises:
        ValueError: If it is not JSON, nested too deeply to be read, or no object.
    """
    remedy = remedy and f"; {remedy}"
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:  # also of bytes that are no UTF-8
        raise ValueError(f"{where} is not JSON ({error}){remedy}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{where} holds no JSON object but {_shortened(found)}{remedy}")
    return found


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
