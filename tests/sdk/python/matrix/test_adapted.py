"""What a provider cannot do as asked: named where it comes close, refused where it would mean something else."""

from typing import Any

import pytest
from matrix.caller import QUESTION, Wish
from matrix.conftest import Case

# What each caller asks for, and what becomes of it at each target.
APPROXIMATED: dict[str, tuple[dict[str, Any], dict[str, dict[str, str]]]] = {
    "chat": (
        {"temperature": 1.7, "seed": 1},
        {"anthropic": {"temperature": "clamped", "seed": "dropped"}},
    ),
    "responses": (
        {"temperature": 1.7, "service_tier": "flex"},
        {
            "anthropic": {"temperature": "clamped", "service_tier": "dropped"},
            "gemini": {"service_tier": "dropped"},
            "compatible": {"service_tier": "dropped"},
        },
    ),
    "messages": (
        # Its newest models take no settings of sampling, and the SDK has no arguments for them any more.
        {"extra_body": {"temperature": 0.7, "top_k": 5}, "metadata": {"user_id": "u-1"}},
        {
            "openai": {"top_k": "dropped"},
            "gemini": {"user": "dropped"},
            # Not every provider of the kind knows a member for it.
            "compatible": {"top_k": "dropped", "user": "dropped"},
        },
    ),
    "generate": (
        {"temperature": 1.7, "seed": 1, "top_k": 5},
        {
            "openai": {"top_k": "dropped"},
            "anthropic": {"temperature": "clamped", "seed": "dropped"},
            "compatible": {"top_k": "dropped"},
        },
    ),
}

# What cannot be translated, the name that the refusal has for it, and where it goes as it is.
UNTRANSLATABLE: dict[str, list[tuple[dict[str, Any], str, tuple[str, ...]]]] = {
    "chat": [
        ({"n": 2}, "n", ("openai", "compatible", "gemini")),
        ({"logit_bias": {"50256": -100}}, "logit_bias", ("openai", "compatible")),
        ({"web_search_options": {}}, "web_search_options", ("openai", "compatible")),
    ],
    "responses": [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", ("openai",)),
        ({"previous_response_id": "resp_1"}, "previous_response_id", ("openai",)),
    ],
    "messages": [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]", ("anthropic",)),
        ({"extra_body": {"container": "container_1"}}, "container", ("anthropic",)),
    ],
    "generate": [
        ({"tools": [{"google_search": {}}]}, "googleSearch", ("gemini",)),
        ({"cached_content": "cachedContents/1"}, "cachedContent", ("gemini",)),
    ],
}


@pytest.mark.scenario("adapted")
def test_approximated(case: Case) -> None:
    asked, expected = APPROXIMATED[case.caller.name]
    expected = expected.get(case.target, {})
    for ask in (case.caller.ask, case.caller.stream):
        reply = ask(case.model(), case.caller.user(QUESTION), Wish(native=asked))
        assert {field: how for field, how in reply.adapted.items() if field not in ("max_tokens", "store")} == expected
    if expected:
        case.adapted(*(f"{field}={how}" for field, how in expected.items()))


@pytest.mark.scenario("refused")
def test_untranslatable(case: Case) -> None:
    refused = [entry for entry in UNTRANSLATABLE[case.caller.name] if case.target not in entry[2]]
    for asked, field, _ in refused:
        before = case.trio.arrived()
        with pytest.raises(case.caller.bad_request) as caught:
            case.caller.ask(case.model(), case.caller.user(QUESTION), Wish(native=asked))
        assert case.caller.status(caught.value) == 400
        assert field in str(caught.value)
        if case.caller.name in ("chat", "responses"):
            assert caught.value.param == field
        assert case.trio.arrived() == before
    if refused:
        case.refused(", ".join(field for _, field, _ in refused))
    else:
        case.outcome = "ok: sent as it is"
