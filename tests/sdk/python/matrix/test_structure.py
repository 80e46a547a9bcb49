"""Answers that follow a schema, and pictures in the question."""

import pytest
from conftest import PNG
from matrix.caller import QUESTION, Place, Wish, strings
from matrix.conftest import Case


@pytest.mark.scenario("structured_output")
def test_structured_output(case: Case) -> None:
    for ask in (case.caller.ask, case.caller.stream):
        reply = ask(case.model(), case.caller.user(QUESTION), Wish(structure=True))
        assert reply.parsed == Place(name=QUESTION, population=7, tags=[QUESTION])
        assert reply.parsed == Place.model_validate_json(reply.text)


@pytest.mark.scenario("image")
def test_image(case: Case) -> None:
    plain = case.caller.ask(case.model(), case.caller.user(QUESTION))
    seen = case.caller.ask(case.model(), case.caller.user(QUESTION, image=True))
    assert any(PNG in text for text in strings(case.trio.sent()))
    # An image is 85 tokens there, and the rest of the prompt hardly differs.
    assert 70 < seen.usage.prompt - plain.usage.prompt < 100
    assert case.trio.last()["generated"]["image_input"] == 85
