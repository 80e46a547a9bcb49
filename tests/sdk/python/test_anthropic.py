"""The official `anthropic` package: base URL and key are all that is changed."""

import anthropic
import pytest
from conftest import LISTED, PNG, Trio

QUESTION = {
    "max_tokens": 256,
    "messages": [{"role": "user", "content": "How long is the coast of Norway?"}],
}
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
MODEL = "claude-sonnet-4-6"


@pytest.fixture(scope="module")
def client(trio: Trio) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=trio.proxy, api_key=trio.access_key, max_retries=0)


def test_plain_answer_and_its_usage(trio: Trio, client: anthropic.Anthropic) -> None:
    raw = client.messages.with_raw_response.create(model=MODEL, **QUESTION)
    answer = raw.parse()
    assert answer.content[0].text
    assert answer.stop_reason == "end_turn"
    generated = trio.usage(raw.headers["x-request-id"])
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (generated["input_uncached"], generated["output"])


def test_key_as_bearer_token(trio: Trio) -> None:
    client = anthropic.Anthropic(base_url=trio.proxy, auth_token=trio.access_key, max_retries=0)
    assert client.messages.create(model=MODEL, **QUESTION).content[0].text


def test_stream_and_its_usage(trio: Trio, client: anthropic.Anthropic) -> None:
    with client.messages.stream(model=MODEL, **QUESTION) as stream:
        text = "".join(stream.text_stream)
        answer = stream.get_final_message()
        request_id = stream.response.headers["x-request-id"]
    assert text == answer.content[0].text
    generated = trio.usage(request_id)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (generated["input_uncached"], generated["output"])


@pytest.mark.parametrize("stream", [False, True])
def test_tool_call(client: anthropic.Anthropic, stream: bool) -> None:
    arguments = {"model": MODEL, "tools": [WEATHER], "tool_choice": {"type": "any"}, **QUESTION}
    if stream:
        with client.messages.stream(**arguments) as events:
            answer = events.get_final_message()
    else:
        answer = client.messages.create(**arguments)
    call = next(block for block in answer.content if block.type == "tool_use")
    assert answer.stop_reason == "tool_use"
    assert call.name == "weather"
    assert "city" in call.input


def test_image_reaches_the_provider(trio: Trio, client: anthropic.Anthropic) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    answer = client.messages.create(model=MODEL, max_tokens=256, messages=[{"role": "user", "content": content}])
    assert answer.content[0].text


def test_token_count(client: anthropic.Anthropic) -> None:
    assert client.messages.count_tokens(model=MODEL, messages=QUESTION["messages"]).input_tokens > 0


def test_message_batches(client: anthropic.Anthropic) -> None:
    requests = [{"custom_id": name, "params": {"model": MODEL, **QUESTION}} for name in ("one", "two")]
    batches = [client.messages.batches.create(requests=requests) for _ in range(3)]
    first = batches[0]
    while client.messages.batches.retrieve(first.id).processing_status != "ended":
        pass
    # The SDK fetches the address that the batch names.
    results = {result.custom_id: result.result for result in client.messages.batches.results(first.id)}
    assert {name: result.type for name, result in results.items()} == {"one": "succeeded", "two": "succeeded"}
    assert client.messages.batches.cancel(batches[1].id).id == batches[1].id
    assert {batch.id for batch in client.messages.batches.list(limit=1)} >= {batch.id for batch in batches}
    assert client.messages.batches.delete(first.id).id == first.id
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(first.id)


def test_models_are_listed(client: anthropic.Anthropic) -> None:
    whole = client.models.list(limit=1000)
    assert not whole.has_more
    for model in whole.data:
        anthropic.types.ModelInfo.model_validate(model.to_dict(mode="json"))
    names = [model.id for model in whole.data]
    assert LISTED.issubset(names)
    # The SDK asks for the following pages by itself, in either direction.
    assert [model.id for model in client.models.list(limit=3)] == names
    assert [model.id for model in client.models.list(limit=3, after_id=names[1])] == names[2:]
    before = client.models.list(limit=3, before_id=names[-1])
    assert [model.id for model in before.data] == names[-4:-1]
    assert sorted(model.id for model in before) == names[:-1]


def test_model_of_any_provider_is_found(client: anthropic.Anthropic) -> None:
    assert client.models.retrieve("claude-opus-5").type == "model"
    assert client.models.retrieve("gpt-4.1").display_name == "gpt-4.1"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("no-such-model")


def test_rate_limit_of_every_key_is_a_rate_limit_error(trio: Trio, client: anthropic.Anthropic) -> None:
    trio.fault({"kind": "status", "status": 429, "retry_after": "1"}, model="claude-limited")
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(model="claude-limited", **QUESTION)
    assert int(caught.value.response.headers["retry-after"]) >= 1


def test_overload_of_every_key_is_529(trio: Trio, client: anthropic.Anthropic) -> None:
    trio.fault({"kind": "status", "status": 529}, model="claude-overloaded")
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(model="claude-overloaded", **QUESTION)
    assert caught.value.status_code == 529
    assert caught.value.body["error"]["type"] == "overloaded_error"


def test_failure_of_every_key_is_a_server_error(trio: Trio, client: anthropic.Anthropic) -> None:
    trio.fault({"kind": "status", "status": 500}, model="claude-broken")
    with pytest.raises(anthropic.InternalServerError):
        client.messages.create(model="claude-broken", **QUESTION)


def test_cut_stream_is_noticed(trio: Trio, client: anthropic.Anthropic) -> None:
    trio.fault({"kind": "cut_mid_stream", "after_chunks": 4}, model="claude-cut")
    events = []
    with pytest.raises(Exception):  # noqa: B017, PT011 - the SDK's or its HTTP library's, whichever notices first
        for event in client.messages.create(model="claude-cut", stream=True, **QUESTION):
            events.append(event.type)
    assert events
    assert "message_stop" not in events


def test_wrong_key_is_an_authentication_error(trio: Trio) -> None:
    client = anthropic.Anthropic(base_url=trio.proxy, api_key="tg_unknown", max_retries=0)
    with pytest.raises(anthropic.AuthenticationError):
        client.messages.create(model=MODEL, **QUESTION)


def test_unknown_model_is_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(model="no-such-model", **QUESTION)
    assert caught.value.body["error"]["type"] == "not_found_error"
