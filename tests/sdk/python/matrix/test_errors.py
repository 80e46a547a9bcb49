"""What goes wrong at the provider, as the caller's own errors; and callers who leave."""

import time

import pytest
from matrix.caller import QUESTION
from matrix.conftest import Case

RETRY_AFTER = "7"


def own_model(case: Case, words: str) -> str:
    """A key that failed cools down for one model: each case has its own."""
    return case.model(f"strict-{words}-{case.caller.name}")


def every_key_answers(case: Case, status: int, error: type[Exception]) -> Exception:
    model = own_model(case, f"answers{status}")
    case.trio.fault({"kind": "status", "status": status, "retry_after": RETRY_AFTER}, model=model)
    with pytest.raises(error) as whole:
        case.caller.ask(model, case.caller.user(QUESTION))
    # Known before anything is streamed.
    with pytest.raises(error) as streamed:
        case.caller.stream(model, case.caller.user(QUESTION))
    assert case.caller.status(whole.value) == case.caller.status(streamed.value)
    return whole.value


@pytest.mark.scenario("rate_limited")
def test_rate_limit(case: Case) -> None:
    error = every_key_answers(case, 429, case.caller.rate_limit)
    assert case.caller.status(error) == 429
    assert 0 < int(error.response.headers["retry-after"]) <= int(RETRY_AFTER)


@pytest.mark.scenario("overloaded")
@pytest.mark.parametrize("status", [503, 529])
def test_overload(case: Case, status: int) -> None:
    error = every_key_answers(case, status, case.caller.overloaded)
    assert case.caller.status(error) == (529 if case.caller.name == "messages" else 503)


@pytest.mark.scenario("midstream_error")
@pytest.mark.parametrize("kind", ["error_mid_stream", "cut_mid_stream"])
def test_broken_stream(case: Case, kind: str) -> None:
    model = own_model(case, f"chunks-8-{kind}")
    case.trio.fault({"kind": kind, "after_chunks": 6}, model=model)
    events = []
    stream, _ = case.caller.open(model, case.caller.user(QUESTION))
    with pytest.raises(case.caller.api_error):
        for event in stream:
            events.append(event)
    assert events and not case.caller.ended_well(events)
    told = case.trio.event(case.caller.request_id)
    assert told["outcome"] == "upstream_error"
    assert told["usage"]["source"] in ("partial", "estimated")


@pytest.mark.scenario("client_abort")
def test_leaving(case: Case) -> None:
    stream, leave = case.caller.open(case.model("strict-chunks-100-gap-20"), case.caller.user(QUESTION))
    events = iter(stream)
    for _ in range(8):
        next(events)
    leave()
    left = time.monotonic()
    while not (seen := case.trio.last())["client_gone"]:
        assert time.monotonic() - left < 1
        time.sleep(0.01)
    told = case.trio.event(case.caller.request_id)
    assert told["outcome"] == "client_closed"
    usage, generated = told["usage"], seen["generated"]
    assert 0 < generated["output"] < 100
    if case.target in ("openai", "compatible"):
        # They tell at the end alone.
        assert usage["source"] == "estimated"
    else:
        assert usage["source"] == "partial"
        assert usage["input_uncached"] == generated["input_uncached"]
    if case.target == "gemini":
        # Told with every chunk; the newest may have been under way.
        assert 0 < usage["output"] <= generated["output"]
    else:
        # Estimated from the text that came.
        assert 0 < usage["output"] <= 2 * generated["output"]
