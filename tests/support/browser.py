"""A real headless browser, driven over Chromium's own protocol (https://chromedevtools.github.io/devtools-protocol)."""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine to look at the page with")
TIMEOUT_S = 240.0  # a page answers in milliseconds; a shared machine may take its time
LOOK_S = 0.02
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
        "Delete": 46}  # fmt: skip


class _Pipe:
    """Messages to and from the browser, each ended by a zero byte."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, session: str | None, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its result; events that come meanwhile are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters} | (
            {"sessionId": session} if session else {}
        )
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self._next()
            if answer.get("id") != self._number:
                self.events.append(answer)
                continue
            assert "error" not in answer, f"{method}: {answer['error']}"
            result: dict[str, Any] = answer["result"]
            return result

    def wait(self, seconds: float) -> None:
        """Wait until the browser says something, or for so long."""
        select.select([self._from], [], [], seconds)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + TIMEOUT_S
        while b"\0" not in self._rest:
            assert select.select([self._from], [], [], max(0.0, end - time.monotonic()))[0], "the browser says nothing"
            more = os.read(self._from, 1 << 20)
            assert more, "the browser has ended"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


@dataclass
class Tab:
    """One page in the browser."""

    _pipe: _Pipe
    _session: str
    problems: list[str] = field(default_factory=list)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._pipe.ask(method, self._session, **parameters)

    def look(self, *, width: int = 1200, height: int = 900, media: Sequence[tuple[str, str]] = ()) -> None:
        """Set the size of the window, and media features such as `("prefers-color-scheme", "dark")`."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in media])

    def open(self, url: str, ready: str = "document.readyState === 'complete'") -> None:
        """Go to a page and wait until an expression of JavaScript is true there."""
        self.ask("Page.navigate", url=url)
        self.until(f"location.href.startsWith({json.dumps(url.partition('#')[0])}) && ({ready})")

    def js(self, expression: str) -> Any:
        """The value of an expression of JavaScript, awaited."""
        found = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        """Look until an expression is true, whichever page is there meanwhile."""
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):  # the page it is about is not there yet, or is going away
                if self.js(f"Boolean({expression})"):
                    return
            self._pipe.wait(LOOK_S)
        raise AssertionError(f"never true: {expression}")

    def text(self, selector: str) -> str:
        """What a person reads in an element."""
        return str(self.js(f"document.querySelector({json.dumps(selector)}).innerText"))

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.js(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)")
        return found

    def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse."""
        x, y = self.middle(selector)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)

    def middle(self, selector: str) -> tuple[float, float]:
        code = (
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "e.scrollIntoView({block: 'center'}); "
            "const b = e.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2] })()"
        )
        x, y = self.js(code)
        return x, y

    def mouse(self, kind: str, x: float, y: float) -> None:
        button = {} if kind == "mouseMoved" else {"clickCount": 1}
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, **button)

    def stroke(self, *points: tuple[float, float]) -> None:
        """Draw a line with the mouse, whose button is down on the way."""
        self.mouse("mousePressed", *points[0])
        for point in points[1:]:
            self.mouse("mouseMoved", *point)
        self.mouse("mouseReleased", *points[-1])

    def key(self, name: str, times: int = 1, *, commands: Sequence[str] = ()) -> None:
        """Press a key: one of KEYS, or a command of the editor such as `paste`."""
        text = {"Enter": "\r", " ": " "}.get(name, "")
        facts = {"key": name, "code": "Space" if name == " " else name, "windowsVirtualKeyCode": KEYS.get(name, 0)}
        for _ in range(times):
            down = "keyDown" if text else "rawKeyDown"
            self.ask("Input.dispatchKeyEvent", type=down, text=text, commands=list(commands), **facts)
            self.ask("Input.dispatchKeyEvent", type="keyUp", **facts)

    def choose_files(self, selector: str, *files: Path) -> None:
        """Choose files as the browser's own dialog does."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def drop_files(self, selector: str, *files: Path) -> None:
        """Drag files from the desktop and drop them on an element."""
        x, y = self.middle(selector)
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.ask("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def download(self, selector: str, folder: Path, name: str) -> Path:
        """Click a link that saves a file; returns the file once it is whole."""
        self.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        self.click(selector)
        end = time.monotonic() + TIMEOUT_S
        while not (folder / name).exists():  # the browser writes under another name before
            assert time.monotonic() < end, f"{name} never came: {list(folder.iterdir())}"
            self._pipe.wait(LOOK_S)
            self.js("1")  # takes what the browser said meanwhile
        return folder / name

    def screenshot(self, file: Path, *, whole: bool = True) -> None:
        """Save what is seen as PNG; all of the page, or the window."""
        found = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(found["data"]))

    def accessible(self) -> list[tuple[str, str]]:
        """Role and name of everything that a screen reader is told of, in its order."""
        nodes = self.ask("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]

    def complaints(self) -> list[str]:
        """Errors that the page or the browser reported since the last call: exceptions, breaches of the policy."""
        for event in self._pipe.events:
            if event.get("sessionId") != self._session:
                continue
            parameters = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                self.problems.append(str(parameters["exceptionDetails"]))
            if event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                self.problems.append(parameters["entry"]["text"])
        self._pipe.events.clear()
        found, self.problems = self.problems, []
        return found


@contextlib.contextmanager
def browser_tab(profile: Path) -> Iterator[Tab]:
    """A tab of a new browser, which ends with the block."""
    assert BROWSER is not None
    browser_reads, we_write = os.pipe()
    we_read, browser_writes = os.pipe()
    words = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
        "--force-color-profile=srgb", "--lang=en", f"--user-data-dir={profile}",
        "--remote-debugging-pipe", "about:blank",
    ]  # fmt: skip

    def place_pipes() -> None:
        """The browser reads commands from descriptor 3 and writes answers to 4."""
        reads, writes = (fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (browser_reads, browser_writes))
        os.dup2(reads, 3)
        os.dup2(writes, 4)

    with (profile.parent / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=place_pipes, close_fds=False
        )
    os.close(browser_reads)
    os.close(browser_writes)
    try:
        pipe = _Pipe(we_write, we_read)
        target = pipe.ask("Target.createTarget", None, url="about:blank")["targetId"]
        session = pipe.ask("Target.attachToTarget", None, targetId=target, flatten=True)["sessionId"]
        tab = Tab(pipe, session)
        for domain in ("Page", "Runtime", "Log", "DOM", "Accessibility", "Network"):
            tab.ask(f"{domain}.enable")
        yield tab
    finally:
        process.kill()
        process.wait()
        os.close(we_write)
        os.close(we_read)
