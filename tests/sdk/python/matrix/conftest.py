"""Every caller × every target, and a record of what became of each scenario."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from conftest import ROOT, Trio
from matrix.caller import Caller
from matrix.chat import Chat
from matrix.generate import Generate
from matrix.messages import Messages
from matrix.responses import Responses

CALLERS = {caller.name: caller for caller in (Chat, Responses, Messages, Generate)}
TARGETS = ("openai", "anthropic", "gemini", "compatible")
RESULTS = pytest.StashKey[dict[tuple[str, str, str], str]]()


@dataclass
class Case:
    """One cell: who asks, whom, and what became of it."""

    trio: Trio
    caller: Caller
    target: str
    outcome: str = "ok"

    def model(self, words: str = "strict") -> str:
        """A name that leads to the target and says what the simulation does."""
        return f"to-{self.target}-sim-{words}"

    def adapted(self, *fields: str) -> None:
        self.outcome = "adapted: " + ", ".join(fields)

    def refused(self, field: str) -> None:
        self.outcome = f"refused: {field}"


@pytest.fixture(scope="session", params=CALLERS)
def caller(request: pytest.FixtureRequest, trio: Trio) -> Caller:
    return CALLERS[request.param](trio)


@pytest.fixture(scope="session", params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def case(trio: Trio, caller: Caller, target: str) -> Iterator[Case]:
    yield Case(trio, caller, target)
    trio.clear_faults()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "scenario(name): the row of the table that a test fills")
    config.stash[RESULTS] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    scenario = item.get_closest_marker("scenario")
    case = getattr(item, "funcargs", {}).get("case")
    if scenario and case and call.when == "call":
        outcome = case.outcome if report.passed else "failed"
        key = (case.caller.name, case.target, scenario.args[0])
        cells = item.config.stash[RESULTS]
        # Several tests may fill one cell: one that fails says so.
        if cells.get(key) != "failed":
            cells[key] = outcome
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    found = session.config.stash[RESULTS]
    if found:
        names = ("caller", "target", "scenario", "outcome")
        cells = [dict(zip(names, (*key, outcome), strict=True)) for key, outcome in sorted(found.items())]
        path = ROOT / "target" / "matrix" / "python.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(cells, indent=1, ensure_ascii=False) + "\n")
