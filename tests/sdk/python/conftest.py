"""The three processes that the suite runs against, and what a test asks them besides the SDK's calls."""

import base64
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LAUNCHER = os.environ.get("TOLLGATE_TRIO", str(ROOT / "target" / "debug" / "trio"))

# A red pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)

# Some of the models that the simulated provider lists in its three protocols.
LISTED = {"gpt-4.1", "claude-opus-5", "gemini-2.5-flash", "gemini-embedding-001"}


@dataclass(frozen=True)
class Trio:
    """Addresses and keys, as the launcher prints them."""

    proxy: str
    admin: str
    provider: str
    access_key: str
    # Of a service that reaches a provider of each kind from every protocol.
    directions_key: str
    # Of a service that takes signed requests only.
    signed_key: str
    signed_key_id: str
    access_token: str
    upstream_keys: dict[str, list[str]]

    def fault(self, fault: dict, *, model: str) -> None:
        """From now on, calls of this model meet the fault, whichever key they are made with."""
        self._call("POST", f"{self.provider}/__sim/faults", {"match": {"model": model}, "fault": fault})

    def clear_faults(self) -> None:
        self._call("DELETE", f"{self.provider}/__sim/faults")

    def received(self) -> list[dict]:
        """What the provider received, oldest first."""
        return self._call("GET", f"{self.provider}/__sim/requests?after=0")

    def arrived(self) -> int:
        """How many requests the provider has received."""
        return self._call("GET", f"{self.provider}/__sim/stats")["requests"]

    def last(self) -> dict:
        """What the provider received last."""
        return self._call("GET", f"{self.provider}/__sim/requests?after={self.arrived() - 1}")[-1]

    def sent(self) -> dict:
        """The body that the provider received last."""
        return json.loads(base64.b64decode(self.last()["body_base64"]))

    def event(self, request_id: str) -> dict:
        """The usage event of a request, as soon as it is there."""
        deadline = time.monotonic() + 10
        while True:
            try:
                return self._call("GET", f"{self.admin}/api/v1/usage/events/{request_id}", token=self.access_token)
            except urllib.error.HTTPError as error:
                if error.code != 404 or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def administer(self, path: str, body: dict | None = None) -> dict:
        """Reads from the control plane's API, or creates what the body says."""
        return self._call("POST" if body else "GET", f"{self.admin}/api/v1/{path}", body, token=self.access_token)

    def _call(self, method: str, url: str, body: dict | None = None, token: str | None = None) -> dict | list:
        request = urllib.request.Request(url, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        if token is not None:
            request.add_header("authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read()
        return json.loads(text) if text else {}

    def usage(self, request_id: str) -> dict:
        """The tokens of a request's event, after they were compared with what the provider says it generated."""
        event = self.event(request_id)
        generated = self.last()["generated"]
        fields = ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
        assert {field: event["usage"][field] for field in fields} == {field: generated[field] for field in fields}
        assert event["usage"]["source"] == "provider"
        assert event["outcome"] == "ok"
        return generated


def prompt(generated: dict) -> int:
    """The whole prompt, cached or not."""
    return sum(generated[field] for field in ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h"))


@pytest.fixture(scope="session")
def trio() -> Iterator[Trio]:
    with subprocess.Popen([LAUNCHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as launcher:
        line = launcher.stdout.readline()
        assert line, "the launcher ended before it was ready"
        yield Trio(**json.loads(line))
        launcher.stdin.close()
        launcher.wait(timeout=60)
