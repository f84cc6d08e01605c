"""A headless Chromium that is told what to do over a pipe: no driver, no port, no package."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--remote-debugging-pipe", "about:blank"),
)

DUPLICATED = "import os, sys; [os.dup2(int(fd), 3 + i) for i, fd in enumerate(sys.argv[1:3])]; "
"""In the new process, before it becomes Chromium: the pipe's ends are its files 3 and 4."""

PATIENCE_S = 60
"""How long it may take to answer."""


def found() -> str | None:
    """The path of a Chromium on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page; what it says on its console is kept in `said`."""

    def __init__(self, executable: str) -> None:
        self.said: list[str] = []
        self._profile = tempfile.mkdtemp(prefix="browser-")
        their_in, self._out = _pipe()
        self._in, their_out = _pipe()
        become = f"{DUPLICATED}os.execv(sys.argv[3], sys.argv[3:])"
        command = [sys.executable, "-c", become, str(their_in), str(their_out), executable]
        self._process = subprocess.Popen(
            [*command, *SWITCHES, f"--user-data-dir={self._profile}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(their_in, their_out),
        )
        for fd in (their_in, their_out):
            os.close(fd)
        self._messages = self._read()
        self._count = 0
        self._session = ""
        (page,) = (
            target
            for target in self.do("Target.getTargets")["targetInfos"]
            if target["type"] == "page"
        )
        attached = self.do("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.do(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for fd in (self._out, self._in):
            os.close(fd)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _read(self) -> Iterator[dict[str, Any]]:
        """Messages of the browser; they end with a zero byte."""
        rest = b""
        while True:
            *whole, rest = rest.split(b"\0")
            yield from map(json.loads, whole)
            ready, _, _ = select.select([self._in], [], [], PATIENCE_S)
            more = os.read(self._in, 1 << 20) if ready else b""
            if not more:
                raise RuntimeError("Chromium has ended, or says nothing")
            rest += more

    def _next(self) -> dict[str, Any]:
        message = next(self._messages)
        if message.get("method") in (
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Log.entryAdded",
        ):
            self.said.append(json.dumps(message["params"]))
        return message

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to one command of its debugging protocol."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._count:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def show(
        self,
        page: Path | str,
        width: int,
        scheme: str = "light",
        *,
        height: int = 900,
        script: bool = True,
    ) -> None:
        """Load a file or an address into a window of this size, as a reader with this colour scheme sees it."""
        self.do("Emulation.setScriptExecutionDisabled", value=not script)
        self.do("Emulation.setDeviceMetricsOverride", **_metrics(width, height))
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.do("Emulation.setEmulatedMedia", media="screen", features=features)
        self.do("Page.navigate", url=page if isinstance(page, str) else page.resolve().as_uri())
        self.loaded()

    def loaded(self) -> None:
        """Wait until the page is there that something led to."""
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript gives in the page."""
        answer = self.do(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """A key goes down and up."""
        code = {"Enter": 13, "Tab": 9, "Escape": 27}.get(key, ord(key[0].upper()))
        typed = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        text = {"text": typed} if typed else {}
        what = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.do("Input.dispatchKeyEvent", type="keyDown", **what, **text)
        self.do("Input.dispatchKeyEvent", type="keyUp", **what)

    def picture(self, *, whole: bool = True) -> bytes:
        """The page as PNG: all of it, or what the window shows."""
        answer = self.do("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def printed(self) -> bytes:
        """The page as PDF."""
        return base64.b64decode(self.do("Page.printToPDF", preferCSSPageSize=True)["data"])


def _metrics(width: int, height: int) -> Mapping[str, Any]:
    return {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}


def _pipe() -> tuple[int, int]:
    """The ends for reading and writing, above the files 3 and 4, which Chromium uses itself."""
    ends = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in ends]
    for fd in ends:
        os.close(fd)
    return high[0], high[1]
