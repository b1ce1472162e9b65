"""A browser for the tests of pages."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """A headless Chromium, driven through a pipe by its own protocol."""

    def __init__(self, folder):
        requests, self.out = os.pipe()
        self.into, answers = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (requests, answers)]  # out of the way of 3 and 4
        flags = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
            f"--disable-component-update --disable-sync --remote-debugging-pipe --user-data-dir={folder}"
        ).split()
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec "$0" "$@" 3<&{} 4>&{}'.format(*ends), CHROMIUM, *flags],
            pass_fds=ends,
            stderr=subprocess.DEVNULL,
        )
        for end in (requests, answers, *ends):
            os.close(end)
        self.buffer, self.number, self.session, self.events = b"", 0, None, []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **parameters):
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        request |= {"sessionId": self.session} if self.session else {}
        os.write(self.out, json.dumps(request).encode() + b"\0")
        while (answer := self.hear()).get("id") != self.number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def hear(self):
        while b"\0" not in self.buffer:
            if not select.select([self.into], [], [], 30)[0] or not (data := os.read(self.into, 1 << 16)):
                raise RuntimeError("the browser does not answer")
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def run(self, script):
        """The value of an expression, or of its promise."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def open(self, path, fragment="", *, width=1400, height=1200, still=False, dark=False, ready=True):
        """Open a page and wait for its first frame, or for the file to be read."""
        features = [("prefers-reduced-motion", "reduce" if still else "no-preference")]
        features.append(("prefers-color-scheme", "dark" if dark else "light"))
        self.ask("Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in features])
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        self.ask("Page.navigate", url="about:blank")
        self.events = []
        self.ask("Page.navigate", url=f"{path.as_uri()}{fragment}")
        done = "document.body?.dataset.ready === 'true'" if ready else "document.readyState === 'complete'"
        assert self.until(f"location.protocol === 'file:' && {done}"), "the page is not ready"

    def until(self, condition):
        """Whether something becomes true within ten seconds."""
        for _ in range(200):
            if self.run(condition):
                return True
            time.sleep(0.05)
        return False

    def frames(self, n=2):
        """Wait until the page is drawn n times."""
        once = "await new Promise(requestAnimationFrame);"
        self.run(f"(async () => {{ {once * n} }})()")

    def key(self, key):
        names = {"key": key, "code": "Space" if key == " " else key, "text": " " if key == " " else ""}
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, **names)
        self.frames()

    def mouse(self, kind, x, y, count=1):
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=count)

    def asked_for(self):
        """The addresses that the page loaded."""
        self.run("0")
        sent = [event["params"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [request["request"]["url"] for request in sent]

    def close(self):
        with contextlib.suppress(Exception):
            self.ask("Browser.close")
        self.process.wait(20)
        os.close(self.out)
        os.close(self.into)
