"""The official `openai` package: base URL and key are all that is changed."""

import json

import openai
import pytest
from conftest import LISTED, PNG, Trio, prompt

QUESTION = [{"role": "user", "content": "How long is the coast of Norway?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def client(trio: Trio) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{trio.proxy}/v1", api_key=trio.access_key, max_retries=0)


def test_plain_answer_and_its_usage(trio: Trio, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=QUESTION)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    generated = trio.usage(raw.headers["x-request-id"])
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (prompt(generated), generated["output"])


def test_stream_without_usage_shows_none_and_is_counted(trio: Trio, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=QUESTION, stream=True)
    chunks = list(raw.parse())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)
    trio.usage(raw.headers["x-request-id"])


def test_stream_with_usage_ends_with_it(trio: Trio, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4.1", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(raw.parse())
    assert chunks[-1].choices == []
    usage = chunks[-1].usage
    generated = trio.usage(raw.headers["x-request-id"])
    assert (usage.prompt_tokens, usage.completion_tokens) == (prompt(generated), generated["output"])


@pytest.mark.parametrize("stream", [False, True])
def test_tool_call(trio: Trio, client: openai.OpenAI, stream: bool) -> None:
    arguments = {"model": "gpt-4.1", "messages": QUESTION, "tools": [WEATHER], "tool_choice": "required"}
    if stream:
        with client.chat.completions.stream(**arguments) as events:
            answer = events.get_final_completion()
    else:
        answer = client.chat.completions.create(**arguments)
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "weather"
    assert "city" in call.function.arguments


def test_image_reaches_the_provider(trio: Trio, client: openai.OpenAI) -> None:
    url = f"data:image/png;base64,{PNG}"
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    answer = client.chat.completions.create(model="gpt-4.1", messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
def test_responses(trio: Trio, client: openai.OpenAI, stream: bool) -> None:
    raw = client.responses.with_raw_response.create(model="gpt-4.1", input="Say something.", stream=stream)
    answer = raw.parse()
    if stream:
        events = list(answer)
        assert events[-1].type == "response.completed"
        answer = events[-1].response
    assert answer.output_text
    generated = trio.usage(raw.headers["x-request-id"])
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (prompt(generated), generated["output"])


def test_a_conversation_that_the_provider_stores(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="gpt-4.1", input="Say something.")
    for _ in range(4):
        assert client.responses.retrieve(answer.id).id == answer.id
        previous = answer
        answer = client.responses.create(model="gpt-4.1", input="And?", previous_response_id=previous.id)
        assert answer.previous_response_id == previous.id
        with client.responses.stream(model="gpt-4.1", input="And?", previous_response_id=answer.id) as stream:
            shown = [event.response.id for event in stream if hasattr(event, "response")]
            answer = stream.get_final_response()
        assert set(shown) == {answer.id}
    client.responses.delete(answer.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)


def test_files_and_batches(client: openai.OpenAI) -> None:
    request = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions"}
    line = json.dumps({**request, "body": {"model": "gpt-4.1", "messages": QUESTION}}).encode()
    file = client.files.create(file=("in.jsonl", line), purpose="batch")
    batches = [
        client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        for _ in range(3)
    ]
    assert {batch.input_file_id for batch in batches} == {file.id}
    first = batches[0]
    while client.batches.retrieve(first.id).status != "completed":
        pass
    output = client.batches.retrieve(first.id).output_file_id
    assert json.loads(client.files.content(output).text)["custom_id"] == "one"
    assert client.batches.cancel(batches[1].id).status == "cancelled"
    # Page by page.
    assert {batch.id for batch in client.batches.list(limit=1)} >= {batch.id for batch in batches}
    assert file.id in {found.id for found in client.files.list(limit=1)}
    assert client.files.delete(file.id).id == file.id
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_embeddings(trio: Trio, client: openai.OpenAI) -> None:
    raw = client.embeddings.with_raw_response.create(model="text-embedding-3-small", input=["one", "two"])
    answer = raw.parse()
    assert len(answer.data) == 2
    assert answer.usage.prompt_tokens == prompt(trio.usage(raw.headers["x-request-id"]))


def test_models_are_listed(client: openai.OpenAI) -> None:
    models = list(client.models.list())
    for model in models:
        openai.types.Model.model_validate(model.to_dict(), strict=True)
    names = [model.id for model in models]
    assert names == sorted(set(names))
    assert LISTED.issubset(names)


def test_model_of_any_provider_is_found(client: openai.OpenAI) -> None:
    assert client.models.retrieve("gpt-4.1").id == "gpt-4.1"
    assert client.models.retrieve("claude-opus-5").object == "model"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("no-such-model")
    assert caught.value.code == "model_not_found"


def test_rate_limit_of_every_key_is_a_rate_limit_error(trio: Trio, client: openai.OpenAI) -> None:
    trio.fault({"kind": "status", "status": 429, "retry_after": "1"}, model="gpt-limited")
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="gpt-limited", messages=QUESTION)
    assert int(caught.value.response.headers["retry-after"]) >= 1


def test_failure_of_every_key_is_a_server_error(trio: Trio, client: openai.OpenAI) -> None:
    trio.fault({"kind": "status", "status": 500}, model="gpt-broken")
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="gpt-broken", messages=QUESTION)
    assert caught.value.status_code in (502, 503)


def test_the_sdks_own_retry_succeeds_after_a_failure(trio: Trio, client: openai.OpenAI) -> None:
    """Both keys fail once; the SDK asks again."""
    trio.fault({"kind": "status", "status": 500}, model="gpt-unsteady")
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="gpt-unsteady", messages=QUESTION)
    trio.clear_faults()
    answer = client.with_options(max_retries=2).chat.completions.create(model="gpt-unsteady", messages=QUESTION)
    assert answer.choices[0].message.content


def test_cut_stream_is_noticed(trio: Trio, client: openai.OpenAI) -> None:
    trio.fault({"kind": "cut_mid_stream", "after_chunks": 4}, model="gpt-cut")
    finished = False
    with pytest.raises(Exception):  # noqa: B017, PT011 - the SDK's or its HTTP library's, whichever notices first
        for chunk in client.chat.completions.create(model="gpt-cut", messages=QUESTION, stream=True):
            finished = finished or chunk.choices[0].finish_reason is not None
    assert not finished


def test_wrong_key_is_an_authentication_error(trio: Trio) -> None:
    client = openai.OpenAI(base_url=f"{trio.proxy}/v1", api_key="tg_unknown", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="gpt-4.1", messages=QUESTION)


def test_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=QUESTION)
    assert caught.value.code == "model_not_found"
