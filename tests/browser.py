"""A headless Chromium for tests of pages: opened from disk, clicked, looked at.

It speaks the DevTools protocol through a pipe, so nothing but a Chromium is needed: one that is
installed, or the one that RELICKIT_BROWSER names. Tests that ask for the fixture `chromium` are
skipped where there is none.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu",
    "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--mute-audio",
    "--force-color-profile=srgb", "--force-device-scale-factor=1",
)  # fmt: skip
# What the browser says if it is asked while it goes to another page.
_LEFT = "Inspected target navigated"
_PATIENCE_S = 60.0


def executable() -> str | None:
    """Path of a Chromium, or None."""
    named = os.environ.get("RELICKIT_BROWSER")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A running Chromium; `page` opens tabs in it."""

    def __init__(self, path: str, profile: Path):
        to_browser, self._commands = _pipe()
        self._answers, from_browser = _pipe()
        flags = [*_FLAGS, f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium refuses root otherwise
        quiet = os.open(os.devnull, os.O_RDWR)
        files = [(os.POSIX_SPAWN_DUP2, fd, n) for n, fd in enumerate((quiet, quiet, quiet))]
        files += [(os.POSIX_SPAWN_DUP2, to_browser, 3), (os.POSIX_SPAWN_DUP2, from_browser, 4)]
        self.pid = os.posix_spawn(
            path, [path, *flags, "about:blank"], os.environ, file_actions=files, setsid=True
        )
        for fd in (to_browser, from_browser, quiet):
            os.close(fd)
        self._number, self._rest = 0, b""
        self.events: list[dict] = []

    def send(self, method: str, session: str | None = None, **params: object) -> dict:
        """Call a method of the protocol and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def page(self, width: int = 1280, height: int = 900, *, dark: bool = False) -> Page:
        """A new tab."""
        return Page(self, width, height, dark)

    def close(self) -> None:
        """End the browser and everything that it started."""
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            self.send("Browser.close")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._commands)
        os.close(self._answers)

    def _read(self) -> dict:
        until = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._rest:
            if not select.select([self._answers], [], [], max(until - time.monotonic(), 0))[0]:
                raise TimeoutError(f"the browser has not answered within {_PATIENCE_S:g} s")
            part = os.read(self._answers, 1 << 16)
            if not part:
                raise RuntimeError("the browser has ended")
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)


class Page:
    """A tab."""

    def __init__(self, browser: Browser, width: int, height: int, dark: bool):
        self._browser = browser
        self._target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.send("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.look(width, height, dark=dark)

    def send(self, method: str, **params: object) -> dict:
        """Call a method of the protocol on this tab."""
        return self._browser.send(method, self._session, **params)

    def close(self) -> None:
        """Close the tab."""
        self._browser.send("Target.closeTarget", targetId=self._target)

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Change the size of the window and the colours that the user prefers; nothing glides."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        wishes = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce",
        }
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.send("Emulation.setEmulatedMedia", features=features)

    def open(self, file: Path, anchor: str = "", ready: str = "true") -> None:
        """Open a file from disk and wait until the expression `ready` holds."""
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=file.resolve().as_uri() + anchor)
        self.wait(f"document.readyState === 'complete' && ({ready})")

    def run(self, script: str) -> object:
        """Value of an expression, awaited, as JSON gives it; raises what the page raises."""
        found = self.send(
            "Runtime.evaluate",
            expression=script, awaitPromise=True, returnByValue=True, userGesture=True,
        )  # fmt: skip
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise RuntimeError(details.get("exception", details).get("description", details))
        return found["result"].get("value")

    def wait(self, condition: str, seconds: float = _PATIENCE_S) -> None:
        """Wait until an expression holds, on whatever page the browser is by then."""
        until = time.monotonic() + seconds
        while not self._holds(condition):
            if time.monotonic() > until:
                raise TimeoutError(f"not within {seconds:g} s: {condition}; {self.errors()}")
            time.sleep(0.02)

    def _holds(self, condition: str) -> bool:
        try:
            return bool(self.run(f"Boolean({condition})"))
        except RuntimeError as error:
            if _LEFT not in str(error):
                raise
            return False

    def click(self, selector: str) -> None:
        """A real click in the middle of the first element that a CSS selector finds."""
        place = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "e.scrollIntoView({block: 'center', behavior: 'instant'}); "
            "const r = e.getBoundingClientRect(); "
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        assert isinstance(place, list)
        for kind in ("mousePressed", "mouseReleased"):
            self.send(
                "Input.dispatchMouseEvent",
                type=kind, x=place[0], y=place[1], button="left", clickCount=1,
            )  # fmt: skip

    def type(self, selector: str, text: str) -> None:
        """Put text into a field, as if it was typed and left."""
        self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.focus(); "
            f"e.value = {json.dumps(text)}; "
            "e.dispatchEvent(new Event('input', {bubbles: true})); "
            "e.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def downloads(self, folder: Path) -> None:
        """Let downloads land in a folder."""
        self._browser.send(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder)
        )

    def screenshot(self, file: Path, *, whole: bool = False) -> Path:
        """A PNG of the window, or of the whole page."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))
        return file

    def errors(self) -> list[str]:
        """What the page complained about, and what it asked of anything but the disk."""
        self.run("1")  # whatever was said before has arrived then
        said = []
        for event in self._browser.events:
            if event.get("sessionId") != self._session:
                continue
            method, about = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                details = about["exceptionDetails"]
                said.append(details.get("exception", details).get("description", details["text"]))
            elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "assert"):
                said.append(" ".join(str(one.get("value")) for one in about["args"]))
            elif method == "Log.entryAdded" and about["entry"]["level"] == "error":
                said.append(about["entry"]["text"])
            elif method == "Network.requestWillBeSent":
                url = about["request"]["url"]
                if not url.startswith(("file:", "data:", "blob:", "about:")):
                    said.append(f"asked for {url}")
        return said


@contextlib.contextmanager
def running(profile: Path) -> Iterator[Browser]:
    """A Chromium while the block runs.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = executable()
    if path is None:
        raise FileNotFoundError("no Chromium: install one, or name it in RELICKIT_BROWSER")
    browser = Browser(path, profile)
    try:
        yield browser
    finally:
        browser.close()


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are clear of the numbers that the browser expects, and closed in it."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 16) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
