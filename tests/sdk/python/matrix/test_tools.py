"""Calls of tools, and the turn that brings their results."""

import pytest
from matrix.caller import RESULTS, TOOLS, Reply, Wish, strings
from matrix.conftest import Case

CALLED = {"chat": "tool_calls", "responses": "completed", "messages": "tool_use", "generate": "STOP"}
FINISHED = {"chat": "stop", "responses": "completed", "messages": "end_turn", "generate": "STOP"}
ARGUMENTS = {"weather": {"city": "sample", "days": 7}, "population": {"city": "sample 2"}}


def there_and_back(case: Case, words: str, names: list[str], stream: bool) -> None:
    """The model calls, the caller brings the results, the model answers."""
    caller, wish = case.caller, Wish(tools=True)
    ask = caller.stream if stream else caller.ask
    model, turns = case.model(words), caller.user("What is it like in Bergen?")
    called = ask(model, turns, wish)
    assert [(call.name, call.arguments) for call in called.calls] == [(name, ARGUMENTS[name]) for name in names]
    assert called.finish == CALLED[caller.name]
    assert len({call.id for call in called.calls if call.id}) == (0 if is_native_gemini(case) else len(names))
    answer = ask(model, turns + caller.said(called) + caller.results(called), wish)
    assert answer.text.startswith("Echo:") and not answer.calls
    assert answer.finish == FINISHED[caller.name]
    for name in names:
        assert any(RESULTS[name] in text for text in strings(case.trio.sent()))


def is_native_gemini(case: Case) -> bool:
    """Gemini's calls have no ids."""
    return (case.caller.name, case.target) == ("generate", "gemini")


def words(case: Case, stream: bool, more: str = "") -> str:
    """The accumulator of chat completions adds members of its own, which pass a provider of its protocol untouched."""
    lenient = stream and case.caller.name == "chat" and case.target in ("openai", "compatible")
    return ("lenient" if lenient else "strict") + more


@pytest.mark.scenario("tools")
def test_one_call(case: Case) -> None:
    there_and_back(case, words(case, stream=False), ["weather"], stream=False)


@pytest.mark.scenario("parallel_tools")
def test_parallel_calls(case: Case) -> None:
    there_and_back(case, words(case, stream=False, more="-parallel"), ["weather", "population"], stream=False)


@pytest.mark.scenario("streamed_tools")
def test_one_streamed_call(case: Case) -> None:
    there_and_back(case, words(case, stream=True, more="-chunks-5"), ["weather"], stream=True)


@pytest.mark.scenario("streamed_tools")
def test_parallel_streamed_calls(case: Case) -> None:
    there_and_back(case, words(case, stream=True, more="-chunks-5-parallel"), ["weather", "population"], stream=True)


@pytest.mark.scenario("tool_choice")
def test_choice(case: Case) -> None:
    """A tool that must be called, one that is named, and none."""
    choices = {
        "chat": ("required", {"type": "function", "function": {"name": "population"}}, "none"),
        "responses": ("required", {"type": "function", "name": "population"}, "none"),
        "messages": ({"type": "any"}, {"type": "tool", "name": "population"}, {"type": "none"}),
        "generate": (
            {"function_calling_config": {"mode": "ANY"}},
            {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["population"]}},
            {"function_calling_config": {"mode": "NONE"}},
        ),
    }[case.caller.name]
    member = "tool_config" if case.caller.name == "generate" else "tool_choice"

    def asked(choice: object) -> Reply:
        # Without being made to, it would not call.
        turns = case.caller.user("There is no tool for this.")
        return case.caller.ask(case.model(), turns, Wish(tools=True, native={member: choice}))

    required, named, none = (asked(choice) for choice in choices)
    assert [call.name for call in required.calls] == [next(iter(TOOLS))]
    assert [call.name for call in named.calls] == ["population"]
    assert not none.calls and none.text.startswith("Echo:")
