"""The server: UnrealCV's frames over TCP and a Unix socket, one client at a time.

Unlike the plugin it takes any number of reconnects, refuses a second client at once, and forgets an
unfinished `vbatch` with its connection.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import re
import select
import selectors
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from capture.engine.commands import CommandError, dispatcher
from capture.engine.compiling import announced
from capture.engine.faults import Faults
from capture.engine.protocol import (
    MAX_PAYLOAD_BYTES,
    Buffer,
    ProtocolError,
    parse_request,
    read_frame,
    write_frame,
)
from capture.engine.raster import Renderer
from capture.engine.state import Engine, Options
from capture.engine.world import World

_log = logging.getLogger(__name__)

_HELLO = b"connected to relickit"
# A busy kernel tells of a client's leaving a little after the next one has come by another socket.
_LEAVING_MS = 50
_BATCH = re.compile(r"vbatch[ ]*([-+]?\d{1,9})?", re.ASCII)


class Server:
    """Listens as soon as it is made; `run` serves until `close`.

    Args:
        engine: Executes the commands.
        host: Address to bind; the protocol has no authentication, so keep it local.
        port: TCP port; 0 takes a free one.
        unix_socket: Path of a Unix socket to listen on as well.
        faults: What goes wrong on purpose; nothing by default.

    Raises:
        ValueError: If the address cannot be bound.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        host: str = "127.0.0.1",
        port: int = 9000,
        unix_socket: Path | None = None,
        faults: Faults | None = None,
    ):
        self._engine, self._faults = engine, faults
        self._dispatcher = dispatcher()
        self._listeners = [_listen_tcp(host, port)]
        self.port: int = self._listeners[0].getsockname()[1]
        engine.port = self.port
        self._unix_socket = unix_socket
        if unix_socket is not None:
            self._listeners.append(_listen_unix(unix_socket))
        self._waiting: queue.SimpleQueue[socket.socket | None] = queue.SimpleQueue()
        self._current: socket.socket | None = None
        self._lock = threading.Lock()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept_all, daemon=True)
        self._acceptor.start()

    def run(self) -> None:
        """Serve clients one after the other, in this thread."""
        while (connection := self._waiting.get()) is not None:
            with connection:
                try:
                    self._serve(connection)
                except (ProtocolError, OSError) as error:
                    _log.info("connection closed: %s", error)
                finally:
                    with self._lock:
                        # A newcomer may be waiting already, since this one has left.
                        if self._current is connection:
                            self._current = None

    def close(self) -> None:
        """Stop listening, drop the client, and let `run` return. May be called from any thread."""
        self._wake_sender.send(b"x")
        self._acceptor.join()
        if self._faults is not None:
            self._faults.release()
        for listener in self._listeners:
            listener.close()
        if self._unix_socket is not None:
            self._unix_socket.unlink(missing_ok=True)
        with self._lock:
            if self._current is not None:
                _shut(self._current)
        self._waiting.put(None)

    def _accept_all(self) -> None:
        with selectors.DefaultSelector() as selector:
            for waited in (*self._listeners, self._wake_receiver):
                selector.register(waited, selectors.EVENT_READ, waited)
            while True:
                for key, _ in selector.select():
                    if key.data is self._wake_receiver:
                        return
                    with contextlib.suppress(OSError):
                        self._admit(key.data.accept()[0])

    def _admit(self, connection: socket.socket) -> None:
        """Queue a connection, or close it while another client is being served."""
        with self._lock:
            busy = self._current is not None and not _has_left(self._current)
            if self._faults is not None and self._faults.ignores(connection, busy=busy):
                return
            if busy:
                _log.info("a second client was refused")
                connection.close()
                return
            connection.setblocking(True)
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._current = connection
        self._waiting.put(connection)

    def _serve(self, connection: socket.socket) -> None:
        write_frame(connection, [_HELLO])
        missing, held, held_bytes = 0, [], 0
        while (payload := read_frame(connection)) is not None:
            request = parse_request(payload)
            if request is None:
                _log.warning("dropped a request without an id: %r", bytes(payload[:80]))
                continue
            request_id, command = request
            batch = _BATCH.match(command)
            if batch:
                missing = max(int(batch.group(1) or 0), 0)
                write_frame(connection, [b"%d:" % request_id, b"ok"])
                continue
            held.append(request)
            held_bytes += len(payload)
            if held_bytes > MAX_PAYLOAD_BYTES:
                raise ProtocolError(f"an unfinished batch holds over {MAX_PAYLOAD_BYTES} bytes")
            missing = max(missing - 1, 0)
            if not missing:
                for held_id, held_command in held:
                    body = self._answer(held_command)
                    if body is not None:
                        write_frame(connection, [b"%d:" % held_id, *body])
                held, held_bytes = [], 0
                if self._faults is not None:
                    self._faults.end_tick(self.execute)

    def _answer(self, command: str) -> list[Buffer] | None:
        """What is sent for a command; None if a fault loses it."""
        if self._faults is None:
            return self.execute(command)
        return self._faults.answer(command, self.execute)

    def execute(self, command: str) -> list[Buffer]:
        """Run one command; the parts of its reply's body. Never raises for what a client sends."""
        try:
            body = self._dispatcher.run(self._engine, command)
        except CommandError as error:
            body = f"error {error}"
        except Exception as error:
            _log.exception("command failed: %s", command)
            body = f"error {type(error).__name__}: {error}"
        return [(body or "ok").encode()] if isinstance(body, str) else body


def _listen_tcp(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=16)
    except OSError as error:
        raise ValueError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another port, "
            "or 0 for a free one"
        ) from error


def _listen_unix(path: Path) -> socket.socket:
    # A killed server leaves its socket file behind.
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise ValueError(f"cannot listen on {path} ({error}); choose another path") from error
    listener.listen(16)
    return listener


def _has_left(connection: socket.socket) -> bool:
    """Whether the peer has closed its side, or does so at once, even with requests unread."""
    hang_up = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
    poll = select.poll()
    try:
        poll.register(connection, hang_up)
        return bool(poll.poll(_LEAVING_MS))
    except (OSError, ValueError):
        return True


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def serve(
    world: World,
    *,
    host: str = "127.0.0.1",
    port: int = 9000,
    unix_socket: Path | None = None,
    threads: int | None = None,
    options: Options | None = None,
    faults: Faults | None = None,
    on_listening: Callable[[int], None] | None = None,
) -> None:
    """Serve a world until interrupted.

    The renderer is compiled before the first client is let in; what takes long is logged.

    Args:
        world: What is rendered.
        host: Address to bind.
        port: TCP port; 0 takes a free one.
        unix_socket: Path of a Unix socket to listen on as well.
        threads: Threads of the renderer; all cores by default.
        options: Image size, depth quantisation, working folder.
        faults: What goes wrong on purpose; nothing by default.
        on_listening: Called once with the TCP port.

    Raises:
        ValueError: If the address cannot be bound.
    """
    with announced():
        engine = Engine(world, Renderer(world, threads=threads), options)
        engine.warm_up()
    server = Server(engine, host=host, port=port, unix_socket=unix_socket, faults=faults)
    try:
        if on_listening is not None:
            on_listening(server.port)
        server.run()
    except KeyboardInterrupt:
        _log.info("interrupted")
    finally:
        server.close()
