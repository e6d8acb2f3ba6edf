"""Engines: parse where they are, start the ones that are ours, and stop them again."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from capture import keeper
from capture.client import Client, EngineLost

_EMBEDDED_START_S = 600.0  # the first start of a checkout compiles the renderer: a minute, if quiet
_UNREAL_START_S = 300.0
_ENDING_S = 2.0
_LOG_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSpec:
    """Which engine to use.

    Attributes:
        kind: "embedded" (started by us), "unreal" (a packaged binary, started by us) or "address".
        count: How many to start; 1 for an address.
        target: The binary's path or the address; empty for the embedded engine.
    """

    kind: str
    count: int = 1
    target: str = ""


def parse_engine(text: str) -> EngineSpec:
    """`embedded[:N]`, `unreal:[N:]/path/to/Binary.sh`, `HOST:PORT` or `unix:PATH`.

    Raises:
        ValueError: If the text has none of these forms.
    """
    head, _, tail = text.partition(":")
    if head == "embedded" and (not tail or tail.isdigit()) and tail != "0":
        return EngineSpec(kind="embedded", count=int(tail or 1))
    if head == "unreal" and tail:
        number, colon, rest = tail.partition(":")
        count, binary = (int(number), rest) if colon and number.isdigit() else (1, tail)
        if count < 1 or not Path(binary).is_file():
            raise ValueError(
                f"no Unreal binary at {binary!r}; give the path of the packaged project"
            )
        return EngineSpec(kind="unreal", count=count, target=binary)
    host = head not in ("", "embedded", "unreal")
    if (head == "unix" and tail) or (host and tail.isdigit() and 0 < int(tail) <= 65535):
        return EngineSpec(kind="address", target=text)
    raise ValueError(
        f"cannot read the engine {text!r}; it is embedded[:N], HOST:PORT, unix:PATH "
        "or unreal:[N:]/path/to/Binary.sh"
    )


class Engine:
    """An engine and, if we started it, its process, which stops when this closes.

    Args:
        addresses: Where it may answer, the first choice first.
        process: What we started, leading its own process group.
        patience_s: How long to wait for the first connection.
        log: What the process prints; its last line explains an early end.
    """

    def __init__(
        self,
        addresses: tuple[str, ...],
        process: subprocess.Popen | None = None,
        patience_s: float = 0.0,
        log: IO[str] | None = None,
    ):
        self._addresses, self._process, self._patience_s = addresses, process, patience_s
        self._log = log

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the process that we started."""
        return self._process.pid if self._process else None

    @property
    def address(self) -> str:
        """The first choice."""
        return self._addresses[0]

    def connect(self, timeout_s: float = 60.0) -> Client:
        """A new connection, at the first address that greets.

        A Unix socket that is there goes first: on Linux the plugin makes it when its first TCP
        client leaves, and from then on lets TCP clients wait for ever.

        Raises:
            EngineLost: If none does, or the process ended.
        """
        deadline = time.monotonic() + self._patience_s
        while True:
            failures = []
            for address in sorted(self._addresses, key=_is_no_socket_file):
                try:
                    client = Client(address, timeout_s=timeout_s)
                except EngineLost as error:
                    if not (failures and _is_absent(address)):  # only the plugin makes that file
                        failures.append(str(error))
                else:
                    self._patience_s = 0.0  # it is up: who does not answer from now on hangs
                    return client
            self.raise_if_ended()
            if time.monotonic() > deadline:
                raise EngineLost("; ".join(failures))

    def raise_if_ended(self) -> None:
        """To be asked after a loss: says how our process ended, if it did.

        It is given a moment, since one that crashes takes its time to end.

        Raises:
            EngineLost: With its exit code and the last line that it printed.
        """
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_ENDING_S)
            last = f": {_last_line(self._log)}" if self._log else ""
            raise EngineLost(f"the engine ended with code {code}{last}")

    def last_lines(self, count: int = 20) -> list[str]:
        """What the process printed last; nothing of an engine that we did not start."""
        return _lines(self._log)[-count:] if self._log else []

    def close(self) -> None:
        """Stop the process and everything that it started."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.wait()
        if self._log:
            self._log.close()
        for address in self._addresses:
            if address.startswith("unix:"):
                Path(address.removeprefix("unix:")).unlink(missing_ok=True)


def open_engine(spec: EngineSpec, *, index: int = 0) -> Engine:
    """The engine that shows whatever it shows: one that runs already, or an Unreal binary.

    Args:
        spec: Which engine.
        index: Of this engine in a fleet; several Unreal binaries take turns over the GPUs.

    Raises:
        ValueError: For the embedded engine, which needs to be told the scene.
    """
    if spec.kind == "unreal":
        gpus = _num_gpus()
        return start_unreal(Path(spec.target), gpu=index % gpus if gpus > 1 else None)
    if spec.kind == "address":
        host, _, port = spec.target.rpartition(":")
        local = host in ("127.0.0.1", "localhost")
        return Engine(
            (spec.target, f"unix:{plugin_socket(int(port))}") if local else (spec.target,)
        )
    raise ValueError("the embedded engine plans from its own scenes; leave --engine away")


def start_embedded(scene: str, seed: int, *, threads: int | None = None) -> Engine:
    """Start the embedded engine on a free port of 127.0.0.1; it dies with this process.

    Args:
        scene: A built-in scene.
        seed: Of the scene.
        threads: Rendering threads; all cores by default.

    Raises:
        EngineLost: If it does not come up, with the last lines that it printed.
    """
    command = [sys.executable, "-m", "capture.engine", "--scene", scene, "--seed", str(seed)]
    command += ["--port", "0", "--die-with-parent"]
    command += ["--threads", str(threads)] if threads else []
    log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - the engine closes it
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
    )
    try:
        port = _announced_port(process, log)
    except BaseException:
        Engine((), process, log=log).close()
        raise
    return Engine((f"127.0.0.1:{port}",), process, log=log)


def _announced_port(process: subprocess.Popen, log: IO[str]) -> int:
    """The port in the first line that the engine prints."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _EMBEDDED_START_S)
    if not ready:
        raise EngineLost(f"the embedded engine did not start within {_EMBEDDED_START_S:.0f} s")
    line = process.stdout.readline()
    try:
        return int(json.loads(line)["port"])
    except (json.JSONDecodeError, KeyError) as error:
        process.wait(timeout=10)
        raise EngineLost(
            f"the embedded engine did not start: {_last_line(log) or line.strip()}"
        ) from error


def _lines(log: IO[str]) -> list[str]:
    """The end of a log; read beside its position, which is the process's own, too."""
    size = os.fstat(log.fileno()).st_size
    start = max(size - _LOG_BYTES, 0)
    return os.pread(log.fileno(), size - start, start).decode(errors="replace").strip().splitlines()


def _last_line(log: IO[str]) -> str:
    return (_lines(log) or [""])[-1]


def start_unreal(binary: Path, *, gpu: int | None = None) -> Engine:
    """Start a packaged Unreal project with the UnrealCV plugin, headless.

    On Linux the plugin serves one TCP client and after it only the socket file, so both are
    addresses of the engine. The flags are documented by Unreal and UnrealCV. Whatever the script
    starts ends with this process (see `capture.keeper`).

    Args:
        binary: The packaged project's start script.
        gpu: Index of the graphics adapter.
    """
    port = _free_port()
    command = [str(binary), "-RenderOffScreen", "-Unattended", "-NoSound", f"-UnrealCVPort={port}"]
    command += [f"-graphicsadapter={gpu}"] if gpu is not None else []
    log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - the engine closes it
    process = subprocess.Popen(
        [sys.executable, "-IS", keeper.__file__, *command],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    addresses = (f"127.0.0.1:{port}", f"unix:{plugin_socket(port)}")
    return Engine(addresses, process, _UNREAL_START_S, log)


def plugin_socket(port: int) -> Path:
    """Where the plugin puts its Unix socket; it ignores TMPDIR."""
    return Path("/", "tmp", f"unrealcv_{port}.socket")


def _is_no_socket_file(address: str) -> bool:
    return not address.startswith("unix:") or _is_absent(address)


def _is_absent(address: str) -> bool:
    return address.startswith("unix:") and not Path(address.removeprefix("unix:")).exists()


def _num_gpus() -> int:
    """NVIDIA GPUs that the driver lists; 0 where there is none."""
    listed = Path("/proc/driver/nvidia/gpus")
    return len(list(listed.iterdir())) if listed.is_dir() else 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
