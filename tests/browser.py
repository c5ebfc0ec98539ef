"""A headless Chromium that tells what a page does: console, requests, size. Spoken to by its DevTools protocol."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import websocket

AXE = Path(__file__).resolve().parent.parent / "node_modules" / "axe-core" / "axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --disable-default-apps --disable-extensions --disable-dev-shm-usage --no-first-run "
    "--hide-scrollbars --remote-debugging-port=0"
).split()


def find() -> str | None:
    """The browser's program, or None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


needs_browser = pytest.mark.skipif(find() is None, reason="no Chromium here (apt-get install chromium)")
needs_axe = pytest.mark.skipif(
    not AXE.is_file(), reason="no axe-core here (npm install --prefix . --no-save axe-core)"
)


@dataclass
class Visit:
    """What happened while a page was open."""

    messages: list[str] = field(default_factory=list)  # console, exceptions, the browser's own complaints
    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Browser:
    """Use as a context manager; one page is open at a time."""

    def __enter__(self) -> "Browser":
        self.profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        command = [find(), *FLAGS, f"--user-data-dir={self.profile.name}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port, path = self._address()
        self.socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}{path}", timeout=60, suppress_origin=True
        )
        self.count, self.session, self.visit = 0, None, Visit()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=30)
        self.profile.cleanup()

    def _address(self) -> tuple[str, str]:
        """Port and path of the DevTools socket, from the file that the browser writes when it is ready."""
        file, deadline = Path(self.profile.name) / "DevToolsActivePort", time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            lines = file.read_text().split() if file.exists() else []
            if len(lines) == 2:
                return lines[0], lines[1]
            time.sleep(0.05)
        raise RuntimeError("the browser did not start")

    def call(self, method: str, **parameters) -> dict:
        """Call a method of the protocol; events that arrive before its answer are noted."""
        self.count += 1
        number = self.count
        message = {"id": number, "method": method, "params": parameters}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict) -> None:
        method, facts = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.consoleAPICalled":
            self.visit.messages.append(" ".join(str(part.get("value")) for part in facts["args"]))
        elif method == "Runtime.exceptionThrown":
            self.visit.messages.append(facts["exceptionDetails"]["text"])
        elif method == "Log.entryAdded":
            self.visit.messages.append(facts["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.visit.requests.append(facts["request"]["url"])
        elif method == "Network.loadingFailed":
            self.visit.failures.append(facts["errorText"])

    def open(self, url: str, width: int = 1280, dark: bool = False) -> Visit:
        """Load a page at a window's width, light or dark, and wait until everything is there."""
        self.visit, self.loaded = Visit(), False
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)
        while not self.loaded:
            self._note(json.loads(self.socket.recv()))
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
        return self.visit

    def evaluate(self, expression: str):
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")

    def violations(self) -> list[str]:
        """What axe-core finds that is serious or worse: rule, help, and the elements concerned."""
        self.evaluate(AXE.read_text(encoding="utf-8") + "\n; 0")
        found = self.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
        serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
        return [
            f"{rule['id']}: {rule['help']}: " + " ".join(str(node["target"]) for node in rule["nodes"])
            for rule in serious
        ]

    def screenshot(self, path: Path, whole: bool = True) -> Path:
        """Save a picture of the page."""
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))
        return path
