"""Where remote bytes come from: object stores through pyarrow, web servers through `requests`."""

from __future__ import annotations

import logging
import os
import threading
import time
import urllib.parse
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from shards import sets
from shards.schema import ShardError

_LOG = logging.getLogger(__name__)
_MAX_OPEN = 64
_CONNECT_S, _ANSWER_S = 10.0, 60.0
# Waited before asking again: a run in progress has a minute's patience, a beginning is told soon.
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_ATTEMPTS = 4
_BUSY = (429, 500, 502, 503, 504)
_S3_OPTIONS = ("region", "endpoint_override", "scheme", "anonymous")
_DENIED = ("ACCESS_DENIED", "INVALID_ACCESS_KEY", "SIGNATURE_DOES_NOT_MATCH", "HTTP status 403")


class Source(Protocol):
    """Files under an address; safe in threads, after a fork, and pickled."""

    @property
    def location(self) -> str:
        """The address, without what only says how to reach it."""
        ...

    def read(self, name: str, offset: int, size: int) -> bytes | None:
        """A range of a file, shorter where it ends; None if the file is absent.

        Raises:
            ShardError: If it is refused, or nobody answers.
        """
        ...

    def whole(self, name: str) -> bytes | None:
        """A file; None if it is absent.

        Raises:
            ShardError: If it is refused, or nobody answers.
        """
        ...

    def folders(self) -> list[str]:
        """Names of the folders in it, sorted; where that cannot be asked, of the sets in a list.

        Raises:
            ShardError: If it is refused, or nobody answers.
        """
        ...


class _NoAnswerError(Exception):
    """Nobody answered; says why."""


class _PerProcess:
    """What a process opened for itself: connections survive neither a fork nor pickling."""

    def __init__(self):
        self._lock = threading.Lock()
        self._owner, self._client = -1, None

    def __getstate__(self) -> dict:
        kept = {name: value for name, value in self.__dict__.items() if not name.startswith("_")}
        return kept

    def __setstate__(self, state: dict) -> None:
        _PerProcess.__init__(self)
        self.__dict__.update(state)

    def client(self) -> Any:
        """This process' client."""
        if self._owner != os.getpid():
            self._lock = threading.Lock()  # a fork may have copied a locked one
            self._client, self._owner = self._connect(), os.getpid()
        return self._client

    def _connect(self) -> Any:
        raise NotImplementedError


class WebServer(_PerProcess):
    """A folder on a web server; proxies and .netrc as `requests` knows them.

    Args:
        location: Its address, http:// or https://; a query, such as a signature, is sent along.
    """

    def __init__(self, location: str):
        super().__init__()
        address, _, self.query = location.partition("?")
        self.location = address.rstrip("/")

    def read(self, name: str, offset: int, size: int) -> bytes | None:
        """A range of a file; see `Source`."""
        wanted = {"Range": f"bytes={offset}-{offset + size - 1}"}
        return _patiently(self._url(name), lambda: self._get(name, wanted), _PAUSES_S)

    def whole(self, name: str) -> bytes | None:
        """A file; see `Source`."""
        pauses_s = _PAUSES_S[: _ATTEMPTS - 1]
        return _patiently(self._url(name), lambda: self._get(name, {}), pauses_s)

    def folders(self) -> list[str]:
        """Those that its sets.json lists: web servers have no common way to say what they hold."""
        content = self.whole(sets.NAME)
        if content is None:
            _LOG.info("%s has no %s, so no latents are looked for", self.location, sets.NAME)
            return []
        return sets.parse(content, f"{self.location}/{sets.NAME}")

    def _connect(self) -> Any:
        import requests

        session = requests.Session()
        # Ranges are of the bytes that are stored, not of what is sent compressed.
        session.headers["Accept-Encoding"] = "identity"
        return session

    def _url(self, name: str) -> str:
        return f"{self.location}/{urllib.parse.quote(name)}"

    def _get(self, name: str, headers: dict[str, str]) -> bytes | None:
        """Ask once; _NoAnswerError if that is worth another try."""
        from requests import RequestException

        try:
            with self.client().get(
                self._url(name),
                params=self.query or None,
                headers=headers,
                stream=True,
                timeout=(_CONNECT_S, _ANSWER_S),
            ) as answer:
                if answer.status_code in _BUSY:
                    raise _NoAnswerError(f"status {answer.status_code}")
                return _content(answer, self._url(name), bool(headers))
        except RequestException as error:  # also where the body ends too early
            raise _NoAnswerError(str(error)) from error


def _content(answer: Any, url: str, is_range: bool) -> bytes | None:
    """The body of an answer, if it is the one that was asked for."""
    if answer.status_code in (404, 410):
        return None
    if answer.status_code == 416:  # the file ends before the range begins
        return b""
    if answer.status_code in (401, 403):
        raise _denied(url, f"status {answer.status_code}")
    if answer.status_code != (206 if is_range else 200):
        why = (
            "it sends whole files only, but single samples are read, so use a server that honours "
            "Range (nginx does) or copy the shards"
            if answer.status_code == 200
            else "look at the server"
        )
        raise ShardError(f"{url} answered with status {answer.status_code}: {why}")
    return answer.content


class ObjectStore(_PerProcess):
    """A folder in a store that `pyarrow.fs` opens.

    Args:
        location: Its address, such as s3://bucket/demo?region=eu-west-1.

    Raises:
        ValueError: If pyarrow knows no such store.
    """

    def __init__(self, location: str):
        super().__init__()
        self.address = location
        self.location = location.partition("?")[0].rstrip("/")
        self._connect()  # says so now if there is no such store

    def read(self, name: str, offset: int, size: int) -> bytes | None:
        """A range of a file; see `Source`."""

        def ask() -> bytes | None:
            try:
                file = self._file(name)
                return None if file is None else file.read_at(size, offset)
            except OSError as error:
                _require_allowed(path, error)
                raise _NoAnswerError(str(error)) from error

        path = f"{self.location}/{name}"
        return _patiently(path, ask, _PAUSES_S)

    def whole(self, name: str) -> bytes | None:
        """A file; see `Source`."""
        path = f"{self.location}/{name}"
        try:
            file = self._file(name)
            return None if file is None else file.read_at(file.size(), 0)
        except OSError as error:
            _require_allowed(path, error)
            raise _no_answer(path, str(error), _ATTEMPTS) from error

    def folders(self) -> list[str]:
        """Names of the folders in it; see `Source`."""
        from pyarrow import fs

        filesystem, path, _ = self.client()
        try:
            found = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
        except OSError as error:
            _require_allowed(self.location, error)
            raise _no_answer(self.location, str(error), _ATTEMPTS) from error
        return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)

    def _connect(self) -> Any:
        import pyarrow as pa
        from pyarrow import fs

        try:
            if self.address.startswith("s3://"):
                filesystem, path = _s3(self.address)
            else:
                filesystem, path = fs.FileSystem.from_uri(self.address)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise ValueError(
                f"nothing reads {self.address} ({error}); give a folder, or an address that begins "
                "with s3://, gs://, http:// or https://"
            ) from error
        return filesystem, path.rstrip("/"), OrderedDict()

    def _file(self, name: str) -> Any:
        """An open file; those that were used last stay open, which spares a request each."""
        filesystem, path, opened = self.client()
        with self._lock:
            file = opened.pop(name, None)
        if file is None:
            try:
                file = filesystem.open_input_file(f"{path}/{name}")
            except FileNotFoundError:
                return None
        with self._lock:
            opened[name] = file
            while len(opened) > _MAX_OPEN:
                opened.popitem(last=False)
        return file


def _s3(address: str) -> tuple[Any, str]:
    """The filesystem of an s3:// address and the path in it, with limits to its patience."""
    from pyarrow import fs

    parts = urllib.parse.urlsplit(address)
    options = dict(urllib.parse.parse_qsl(parts.query))
    if unknown := sorted(set(options) - set(_S3_OPTIONS)):
        raise ValueError(f"unknown option {unknown[0]}; there are {', '.join(_S3_OPTIONS)}")
    filesystem = fs.S3FileSystem(
        **{
            name: value == "true" if name == "anonymous" else value
            for name, value in options.items()
        },
        connect_timeout=_CONNECT_S,
        request_timeout=_ANSWER_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )
    return filesystem, parts.netloc + parts.path


def _patiently(
    path: str, ask: Callable[[], bytes | None], pauses_s: Sequence[float]
) -> bytes | None:
    """What `ask` gives; asked again after each of the pauses while nobody answers.

    Raises:
        ShardError: If nobody does.
    """
    attempts = len(pauses_s) + 1
    for attempt in range(attempts):
        try:
            return ask()
        except _NoAnswerError as error:
            if attempt + 1 == attempts:
                raise _no_answer(path, str(error), attempts) from error
            if attempt + 1 == _ATTEMPTS:
                _LOG.warning("%s does not answer (%s); asking on for a while", path, error)
            time.sleep(pauses_s[attempt])
    raise AssertionError


def _require_allowed(path: str, error: OSError) -> None:
    """Pass what is no refusal.

    Raises:
        ShardError: If the store refuses.
    """
    if any(denied in str(error) for denied in _DENIED):
        raise _denied(path, str(error)) from error


def _denied(path: str, why: str) -> ShardError:
    return ShardError(
        f"{path} is refused ({why}); set the credentials that may read it, for s3 as the "
        "environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or with `aws configure`"
    )


def _no_answer(path: str, why: str, attempts: int) -> ShardError:
    return ShardError(
        f"{path} could not be read in {attempts} attempts ({why}); check the address and the "
        "network, and run again"
    )
