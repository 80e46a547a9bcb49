"""Thoughts: asked for, shown, counted, and given back unchanged with the results of tools."""

import base64

import pytest
from matrix.caller import QUESTION, RESULTS, Reply, Wish, strings
from matrix.conftest import TARGETS, Case

THINK = Wish(reasoning=True)
# Chat completions of OpenAI show no thoughts.
SILENT = {("chat", "openai")}


def words(case: Case, more: str = "") -> str:
    # Compatible providers say what they think in a member that OpenAI's own SDK does not know.
    thinks = "reasoningcontent" if case.target == "compatible" else "reasoning"
    return f"strict-{thinks}{more}"


def signatures(value: object) -> list[str]:
    """What the provider issued, or was sent, to prove its thoughts."""
    if isinstance(value, dict):
        own = [value[name] for name in ("signature", "thoughtSignature", "encrypted_content") if value.get(name)]
        return own + [found for inner in value.values() for found in signatures(inner)]
    return [found for inner in value for found in signatures(inner)] if isinstance(value, list) else []


def check(case: Case, reply: Reply) -> None:
    if (case.caller.name, case.target) in SILENT:
        assert not reply.thought
    else:
        assert reply.thought.startswith(f"Considering the request step by step: {QUESTION}")
    assert reply.text.startswith("Echo:") or reply.calls
    generated = case.trio.last()["generated"]
    assert generated["reasoning"] > 0
    if reply.usage.reasoning is not None:
        assert reply.usage.reasoning == generated["reasoning"]


@pytest.mark.scenario("reasoning")
def test_thought(case: Case) -> None:
    for ask in (case.caller.ask, case.caller.stream):
        reply = ask(case.model(words(case, "-chunks-4")), case.caller.user(QUESTION), THINK)
        check(case, reply)
    if (case.caller.name, case.target) in SILENT:
        case.outcome = "not shown"


@pytest.mark.scenario("reasoning_signature")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("parallel", ["", "-parallel"], ids=["one", "two"])
def test_thought_comes_back(case: Case, stream: bool, parallel: str) -> None:
    caller, wish = case.caller, Wish(reasoning=True, tools=True)
    ask = caller.stream if stream else caller.ask
    model = case.model(words(case, f"-chunks-4{parallel}"))
    if stream and caller.name == "chat" and case.target in ("openai", "compatible"):
        model = model.replace("strict", "lenient")
    turns = caller.user(QUESTION)
    called = ask(model, turns, wish)
    check(case, called)
    assert len(called.calls) == (2 if parallel else 1)
    answer = ask(model, turns + caller.said(called) + caller.results(called), wish)
    assert answer.text.startswith("Echo:") and not answer.calls
    sent = signatures(case.trio.sent())
    proofs = [proof for proof in sent if is_simulated(proof)]
    if case.target in ("anthropic", "gemini"):
        assert len(proofs) == 1 and proofs == sent
    elif case.target == "openai" and caller.name != "chat":
        assert len(sent) == 1
    else:
        # Compatible providers sign nothing, and chat completions of OpenAI keep their thoughts.
        assert not sent
        case.outcome = "unsigned"
    assert not any("tgs1_" in text for text in strings(case.trio.sent()))


@pytest.mark.scenario("real_names")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_models_of_real_names(case: Case, stream: bool) -> None:
    """What the gateway knows of a model by its name shapes the request: three turns with thoughts and two calls."""
    caller, wish = case.caller, Wish(reasoning=True, tools=True, system="Be brief.")
    ask = caller.stream if stream else caller.ask
    model, turns = f"thinking-{case.target}", caller.user("What is the weather like, in parallel?")
    called = ask(model, turns, wish)
    assert len(called.calls) == 2
    turns = turns + caller.said(called) + caller.results(called)
    answered = ask(model, turns, wish)
    assert answered.text.startswith("Echo:")
    turns = turns + caller.said(answered) + caller.user("Thank you, no tool any more.")
    assert ask(model, turns, wish).text.startswith("Echo: Thank you")


@pytest.mark.scenario("moved")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("tools", [False, True], ids=["text", "tools"])
def test_conversation_moves_to_another_provider(case: Case, tools: bool, stream: bool) -> None:
    """What one provider thought and signed is not shown to another, and does not get into its way."""
    caller, wish = case.caller, Wish(reasoning=True, tools=tools)
    ask = caller.stream if stream else caller.ask
    turns = caller.user(QUESTION)
    begun = ask(case.model(words(case)), turns, wish)
    turns = turns + caller.said(begun) + (caller.results(begun) if tools else caller.user("Are you sure?"))
    for other in TARGETS:
        if other == case.target:
            continue
        # Where both speak chat completions, the bytes are left alone, with what each has besides OpenAI's members.
        is_untouched = caller.name == "chat" and {case.target, other} == {"openai", "compatible"}
        model = f"to-{other}-sim-{'lenient' if is_untouched else 'strict'}-reasoning"
        answer = ask(model, turns, wish)
        assert answer.text.startswith("Echo:")
        sent = strings(case.trio.sent())
        assert any((RESULTS["weather"] if tools else "Are you sure?") in text for text in sent)
        assert not any("tgs1_" in text or is_simulated(text) for text in sent)


def is_simulated(proof: str) -> bool:
    try:
        return base64.b64decode(proof + "==").startswith(b"simulated-")
    except ValueError:
        return False
