"""Answers of text: whole, streamed, cut, refused; and what reaches the model."""

import pytest
from matrix.caller import LONG, QUESTION, Wish
from matrix.conftest import Case

FINISHED = {"chat": "stop", "responses": "completed", "messages": "end_turn", "generate": "STOP"}


@pytest.mark.scenario("plain answer")
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
