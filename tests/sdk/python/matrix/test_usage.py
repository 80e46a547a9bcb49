"""The same numbers everywhere: what the provider generated, what the SDK shows, what is on record."""

import pytest
from conftest import prompt
from matrix.caller import QUESTION, Wish
from matrix.conftest import Case

@pytest.mark.scenario("usage")
@pytest.mark.parametrize("words", ["", "-cached-reasoning", "-cachewrite"])
def test_usage(case: Case, words: str) -> None:
    for ask in (case.caller.ask, case.caller.stream):
        reply = ask(case.model(f"strict{words}"), case.caller.user(QUESTION), Wish(reasoning="reasoning" in words))
        generated = case.trio.usage(reply.request_id)
        assert (generated["cache_read"] > 0) == ("-cached" in words)
        assert (generated["reasoning"] > 0) == ("reasoning" in words)
        shown = reply.usage
        assert (shown.prompt, shown.output) == (prompt(generated), generated["output"])
        assert shown.cached == generated["cache_read"]
        if shown.written is not None:
            assert shown.written == generated["cache_write_5m"] + generated["cache_write_1h"]
        assert (shown.reasoning or 0) == generated["reasoning"]
