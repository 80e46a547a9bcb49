"""What a test asks of an SDK, and what it sees of the answer, in no SDK's words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from conftest import PNG
from pydantic import BaseModel

IMAGE_URL = f"data:image/png;base64,{PNG}"
QUESTION = "How long is the coast of Norway?"
TOOLS = {
    "weather": ("The weather of a city", {"city": {"type": "string"}, "days": {"type": "integer"}}),
    "population": ("How many people live in a city", {"city": {"type": "string"}}),
}
RESULTS = {"weather": "It rains in Bergen.", "population": "Almost 300,000 people."}
# Not given in one piece anywhere: nothing may be cut at a boundary of bytes.
LONG = "Ein Fjord ist ein weit ins Festland reichender Arm des Meeres – 狭い入り江 🏔️. " * 400


class Place(BaseModel):
    """What a structured answer is parsed into."""

    name: str
    population: int
    tags: list[str]


def schema(tool: str) -> dict[str, Any]:
    properties = TOOLS[tool][1]
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def strings(value: Any) -> list[str]:
    """Every text in a body, whatever its place."""
    if isinstance(value, str):
        return [value]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for inner in values for text in strings(inner)]


@dataclass(frozen=True)
class Call:
    id: str | None
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """Tokens as the SDK shows them; `None` where its protocol has no such figure."""

    prompt: int
    output: int
    cached: int | None
    written: int | None
    reasoning: int | None


@dataclass
class Reply:
    """An answer as the SDK's typed objects hold it."""

    # The SDK's own object, whole.
    native: Any
    text: str = ""
    # As they arrived in a stream.
    pieces: list[str] = field(default_factory=list)
    # The caller's word for why it ended.
    finish: str | None = None
    calls: list[Call] = field(default_factory=list)
    thought: str = ""
    refusal: str | None = None
    parsed: Place | None = None
    usage: Shown | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def request_id(self) -> str:
        return self.headers["x-request-id"]

    @property
    def adapted(self) -> dict[str, str]:
        """What the gateway says it approximated, by field."""
        value = self.headers.get("x-tollgate-adapted", "")
        return dict(part.split("=", 1) for part in value.split(", ") if part)


@dataclass(frozen=True)
class Wish:
    """What a request asks for besides the conversation."""

    system: str | None = None
    tools: bool = False
    structure: bool = False
    reasoning: bool = False
    max_tokens: int | None = None
    stop: list[str] | None = None
    # Arguments in the SDK's own words.
    native: dict[str, Any] = field(default_factory=dict)


class Caller:
    """One SDK's way of doing what every SDK does. Turns are lists of the SDK's own."""

    name: str
    # What the SDK raises.
    bad_request: type[Exception]
    rate_limit: type[Exception]
    overloaded: type[Exception]
    api_error: type[Exception]

    def __init__(self) -> None:
        self.http = httpx2.Client(event_hooks={"response": [self._remember]}, timeout=30)
        self._headers: Mapping[str, str] = {}

    def _remember(self, response: httpx2.Response) -> None:
        self._headers = response.headers

    @property
    def request_id(self) -> str:
        """Of the answer that came last."""
        return self._headers["x-request-id"]

    def user(self, text: str, image: bool = False) -> list[Any]:
        raise NotImplementedError

    def assistant(self, text: str) -> list[Any]:
        raise NotImplementedError

    def said(self, reply: Reply) -> list[Any]:
        """The answer as the SDK's user puts it into the history."""
        raise NotImplementedError

    def results(self, reply: Reply) -> list[Any]:
        """A result for each call."""
        raise NotImplementedError

    def arguments(self, model: str, turns: list[Any], wish: Wish) -> dict[str, Any]:
        raise NotImplementedError

    def ask(self, model: str, turns: list[Any], wish: Wish = Wish()) -> Reply:
        reply = self._ask(self.arguments(model, turns, wish), wish)
        reply.headers = self._headers
        return reply

    def stream(self, model: str, turns: list[Any], wish: Wish = Wish()) -> Reply:
        reply = self._stream(self.arguments(model, turns, wish), wish)
        reply.headers = self._headers
        return reply

    def open(self, model: str, turns: list[Any], wish: Wish = Wish()) -> tuple[Any, Callable[[], None]]:
        """A stream of the SDK's raw events that the test reads itself, and how its user leaves it."""
        raise NotImplementedError

    def status(self, error: Any) -> int:
        return error.status_code

    def ended_well(self, events: list[Any]) -> bool:
        """Whether raw events look like a proper end."""
        raise NotImplementedError

    def _ask(self, arguments: dict[str, Any], wish: Wish) -> Reply:
        raise NotImplementedError

    def _stream(self, arguments: dict[str, Any], wish: Wish) -> Reply:
        raise NotImplementedError
