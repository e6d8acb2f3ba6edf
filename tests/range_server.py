"""A web server for tests: a folder by byte ranges, as nginx or an S3 store serves it."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@dataclass
class Behaviour:
    """How the server behaves, and what it was asked.

    Attributes:
        root: The folder.
        ranges: Whether it honours Range.
        status: An error that every request gets.
        busy: Requests that get status 503 before the others are answered.
        damage: Requests of ranges whose answer has a wrong byte.
        cut: Answers that end in the middle, with the connection.
        delay_s: Before every answer.
        sent: (path, bytes) of every body.
    """

    root: Path
    ranges: bool = True
    status: int = 0
    busy: int = 0
    damage: int = 0
    cut: int = 0
    delay_s: float = 0.0
    sent: list[tuple[str, int]] = field(default_factory=list)


def allow_local(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that such a server takes, and no proxy on the way to it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        """A client that leaves before the answer is no error."""


@contextlib.contextmanager
def serving(root: Path) -> Iterator[tuple[str, Behaviour]]:
    """The address of a running server, such as 127.0.0.1:41234, and its behaviour."""
    behaviour = Behaviour(root)

    class Handler(_Handler):
        wanted = behaviour

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", behaviour
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _listing(bucket: Path, asked: str) -> bytes:
    """What S3's ListObjectsV2 says of one folder."""
    (prefix,) = urllib.parse.parse_qs(urllib.parse.urlsplit(asked).query)["prefix"]
    found = sorted((bucket / prefix).iterdir()) if (bucket / prefix).is_dir() else []
    name = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    rows = [
        f"<CommonPrefixes><Prefix>{prefix}{path.name}/</Prefix></CommonPrefixes>"
        if path.is_dir()
        else f"<Contents><Key>{prefix}{path.name}</Key><Size>{path.stat().st_size}</Size>"
        "<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
        for path in found
    ]
    return f"{name}<IsTruncated>false</IsTruncated>{''.join(rows)}</ListBucketResult>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wanted: Behaviour

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        behaviour = self.wanted
        time.sleep(behaviour.delay_s)
        path = behaviour.root / self.path.partition("?")[0].lstrip("/")
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        status, body = 200, b""
        if behaviour.busy:
            behaviour.busy -= 1
            status = 503
        elif "list-type=2" in self.path and not behaviour.status:
            body = _listing(path, self.path)
        elif behaviour.status or not path.is_file():
            status = behaviour.status or 404
        else:
            body = path.read_bytes()
            if asked and behaviour.ranges:
                status, body = 206, body[int(asked[1]) : int(asked[2]) + 1]
                if behaviour.damage:
                    behaviour.damage -= 1
                    body = body[:-1] + bytes([body[-1] ^ 1])
        self._send(status, body, path, with_body=with_body)

    def _send(self, status: int, body: bytes, path: Path, *, with_body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.send_header("ETag", '"1"')
        self.end_headers()
        if with_body and body and self.wanted.cut:
            self.wanted.cut -= 1
            body, self.close_connection = body[: len(body) // 2], True
        if with_body:
            self.wanted.sent.append((path.name, len(body)))
            with contextlib.suppress(BrokenPipeError):  # the client had enough
                self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
