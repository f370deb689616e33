"""Headless Chromium, told what to do over a pipe (its DevTools protocol)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
KEYS = {"Tab": 9, "ArrowRight": 39, "ArrowLeft": 37, "Enter": 13}
"""Keys that tests press, with their codes."""


class Browser:
    """One page; `complaints` are the errors and warnings of its console."""

    def __init__(self, to: int, answers: int) -> None:
        self._to, self._answers = to, answers
        self._rest = b""
        self._count = 0
        self._session = ""
        self._loaded: set[str] = set()
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def call(self, method: str, **parameters: Any) -> Any:
        """A command of the protocol, and its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._count:
            self._note(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        """The next message of the browser."""
        while b"\0" not in self._rest:
            more = os.read(self._answers, 1 << 20)
            if not more:
                raise RuntimeError("Chromium has ended")
            self._rest += more
        message, self._rest = self._rest.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        """Remember which page is loaded, and what the console would show in red or yellow."""
        name, told = event["method"], event.get("params", {})
        if name == "Page.lifecycleEvent" and told["name"] == "load":
            self._loaded.add(told["loaderId"])
        if name == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"])[:400])
        if name == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        if name == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.complaints.append(json.dumps(told["args"])[:400])

    def open(self, address: str, width: int = 1200, theme: str = "light") -> None:
        """Open a page in a window of so many pixels, and wait until it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": theme}],
        )
        # The empty page of a new window loads too, and may do so late: its event is not ours.
        loader = self.call("Page.navigate", url=address)["loaderId"]
        while loader not in self._loaded:
            self._note(self._next())

    def value(self, script: str) -> Any:
        """What an expression of JavaScript gives."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in told:
            raise RuntimeError(json.dumps(told["exceptionDetails"])[:400])
        return told["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key of the keyboard."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=KEYS[key],
            )

    def picture(self, path: Path) -> None:
        """Write the whole page as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Chromium with a profile of its own in a folder, ended at the end."""
    assert CHROMIUM is not None
    theirs_in, to = os.pipe()
    answers, theirs_out = os.pipe()
    # Chromium reads commands at 3 and answers at 4, whatever numbers the pipes have here.
    command = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
    chromium = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
    process = subprocess.Popen(
        ["bash", "-c", command, "bash", *chromium, f"--user-data-dir={folder / 'profile'}"],
        pass_fds=(theirs_in, theirs_out),
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Browser(to, answers)
    finally:
        process.kill()
        process.wait()
        os.close(to)
        os.close(answers)
