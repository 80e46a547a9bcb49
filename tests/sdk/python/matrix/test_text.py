"""Answers of text: whole, streamed, cut, refused; and what reaches the model."""

import openai
import pytest
from matrix.caller import LONG, QUESTION, Reply, Wish, strings
from matrix.conftest import Case

FINISHED = {"chat": "stop", "responses": "completed", "messages": "end_turn", "generate": "STOP"}


@pytest.mark.scenario("plain")
def test_plain(case: Case) -> None:
    reply = case.caller.ask(case.model(), case.caller.user(QUESTION))
    assert reply.text.startswith(f"Echo: {QUESTION}")
    assert reply.finish == FINISHED[case.caller.name]
    assert not reply.calls and not reply.refusal
    assert reply.adapted.keys() <= {"max_tokens", "store"}


@pytest.mark.scenario("stream")
def test_stream(case: Case) -> None:
    plain = case.caller.ask(case.model("strict-chunks-6"), case.caller.user(QUESTION))
    streamed = case.caller.stream(case.model("strict-chunks-6"), case.caller.user(QUESTION))
    assert len(streamed.pieces) > 1
    assert "".join(streamed.pieces) == streamed.text == plain.text
    assert streamed.finish == FINISHED[case.caller.name]


CUT = {"chat": "length", "responses": "max_output_tokens", "messages": "max_tokens", "generate": "MAX_TOKENS"}
FILTERED = {"chat": "content_filter", "responses": "content_filter", "messages": "refusal", "generate": "SAFETY"}
# Where the model itself says no in words, and this is told as words.
SAID_NO = {"chat": "stop", "responses": "completed", "messages": "refusal", "generate": "STOP"}


def both(case: Case, words: str, wish: Wish = Wish()) -> list[Reply]:
    """Whole and streamed."""
    turns = case.caller.user(QUESTION)
    return [ask(case.model(words), turns, wish) for ask in (case.caller.ask, case.caller.stream)]


@pytest.mark.scenario("max_tokens")
def test_cut(case: Case) -> None:
    for reply in both(case, "strict", Wish(max_tokens=20)):
        assert reply.finish == CUT[case.caller.name]
        assert reply.text.startswith("Echo:") and len(reply.text) == 80


@pytest.mark.scenario("stop_sequence")
def test_stop(case: Case) -> None:
    if case.caller.name == "responses":
        # The protocol has none: OpenAI refuses the member, and no other provider is told of it.
        wish = Wish(native={"extra_body": {"stop": ["plain words"]}})
        if case.target == "openai":
            with pytest.raises(openai.BadRequestError, match="stop"):
                case.caller.ask(case.model(), case.caller.user(QUESTION), wish)
            return case.refused("stop")
        reply = case.caller.ask(case.model(), case.caller.user(QUESTION), wish)
        assert reply.adapted["stop"] == "dropped" and "plain words" in reply.text
        return case.adapted("stop=dropped")
    finish = FINISHED[case.caller.name]
    if (case.caller.name, case.target) == ("messages", "anthropic"):
        # Only Anthropic tells this end from others.
        finish = "stop_sequence"
    for reply in both(case, "strict", Wish(stop=["plain words", "never"])):
        assert reply.text.endswith("answers with ")
        assert reply.finish == finish


@pytest.mark.scenario("refusal")
def test_refusal(case: Case) -> None:
    for reply in both(case, "strict-refusal"):
        if case.target in ("openai", "compatible"):
            assert (reply.refusal or reply.text) == "I'm sorry, but I can't help with that."
            assert (reply.refusal is None) == (case.caller.name in ("messages", "generate"))
            assert reply.finish == SAID_NO[case.caller.name]
        else:
            assert reply.finish == FILTERED[case.caller.name]


@pytest.mark.scenario("content_filter")
def test_filter(case: Case) -> None:
    for reply in both(case, "strict-filtered"):
        assert reply.finish == FILTERED[case.caller.name]
        assert reply.text.startswith(f"Echo: {QUESTION}")


@pytest.mark.scenario("blocked_prompt")
def test_blocked_prompt(case: Case) -> None:
    if case.target == "gemini":
        for reply in both(case, "strict-blocked"):
            word = "PROHIBITED_CONTENT" if case.caller.name == "generate" else FILTERED[case.caller.name]
            assert reply.finish == word
            assert not reply.text or "PROHIBITED_CONTENT" in reply.text
            assert reply.usage.output == 0
        return
    for ask in (case.caller.ask, case.caller.stream):
        with pytest.raises(case.caller.bad_request) as caught:
            ask(case.model("strict-blocked"), case.caller.user(QUESTION))
        assert case.caller.status(caught.value) == 400
        assert "rejected" in str(caught.value) or "blocked" in str(caught.value)
    case.outcome = "400"


@pytest.mark.scenario("conversation")
def test_everything_survives(case: Case) -> None:
    turns = case.caller.user("Erzähl mir was – 你好!\n\t\"Zitat\" \\ und 🚀") + case.caller.assistant("Größe: 5 € 🧪")
    turns += case.caller.user(LONG)
    plain, streamed = (
        ask(case.model("strict-unicode-bytes-900-chunks-40-split-7"), turns, Wish(system="Sei höflich 🙏. \"Immer\"."))
        for ask in (case.caller.ask, case.caller.stream)
    )
    assert plain.text == streamed.text == "".join(streamed.pieces)
    assert LONG[:240] in plain.text
    assert "Größe 你好，世界 🚀🧪 naïve Ελληνικά \u202f— „quoted“ \t tab and \"quotes\" and \\ backslash." in plain.text
    sent = case.trio.sent()
    for text in ("Sei höflich 🙏. \"Immer\".", "Erzähl mir was – 你好!\n\t\"Zitat\" \\ und 🚀", "Größe: 5 € 🧪", LONG):
        assert text in strings(sent)
