"""The official `google-genai` package: base URL and key are all that is changed."""

import base64

import pytest
from conftest import LISTED, PNG, Trio, prompt
from google import genai
from google.genai import errors, types

MODEL = "gemini-2.5-flash"
QUESTION = "How long is the coast of Norway?"
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather",
            description="The weather of a city",
            parameters=types.Schema(
                type=types.Type.OBJECT,
                properties={"city": types.Schema(type=types.Type.STRING)},
                required=["city"],
            ),
        )
    ]
)
MUST_CALL = types.ToolConfig(
    function_calling_config=types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
)


@pytest.fixture(scope="module", params=["v1", "v1beta"])
def client(request: pytest.FixtureRequest, trio: Trio) -> genai.Client:
    options = types.HttpOptions(base_url=trio.proxy, api_version=request.param)
    return genai.Client(api_key=trio.access_key, http_options=options)


def request_id(answer: types.GenerateContentResponse) -> str:
    return answer.sdk_http_response.headers["x-request-id"]


def output(usage: types.GenerateContentResponseUsageMetadata) -> int:
    return (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)


def test_default_address_of_the_sdk_is_served(trio: Trio) -> None:
    client = genai.Client(api_key=trio.access_key, http_options=types.HttpOptions(base_url=trio.proxy))
    assert client.models.generate_content(model=MODEL, contents=QUESTION).text


def test_plain_answer_and_its_usage(trio: Trio, client: genai.Client) -> None:
    answer = client.models.generate_content(model=MODEL, contents=QUESTION)
    assert answer.text
    generated = trio.usage(request_id(answer))
    assert answer.usage_metadata.prompt_token_count == prompt(generated)
    assert output(answer.usage_metadata) == generated["output"]


def test_stream_and_its_usage(trio: Trio, client: genai.Client) -> None:
    chunks = list(client.models.generate_content_stream(model=MODEL, contents=QUESTION))
    assert "".join(chunk.text or "" for chunk in chunks)
    generated = trio.usage(request_id(chunks[0]))
    assert chunks[-1].usage_metadata.prompt_token_count == prompt(generated)
    assert output(chunks[-1].usage_metadata) == generated["output"]


@pytest.mark.parametrize("stream", [False, True])
def test_tool_call(client: genai.Client, stream: bool) -> None:
    config = types.GenerateContentConfig(tools=[WEATHER], tool_config=MUST_CALL)
    if stream:
        chunks = client.models.generate_content_stream(model=MODEL, contents=QUESTION, config=config)
        calls = [call for chunk in chunks for call in chunk.function_calls or []]
    else:
        calls = client.models.generate_content(model=MODEL, contents=QUESTION, config=config).function_calls
    assert calls[0].name == "weather"
    assert "city" in calls[0].args


def test_image_reaches_the_provider(trio: Trio, client: genai.Client) -> None:
    image = types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png")
    assert client.models.generate_content(model=MODEL, contents=[image, "What is this?"]).text


def test_token_count(client: genai.Client) -> None:
    assert client.models.count_tokens(model=MODEL, contents=QUESTION).total_tokens > 0


def test_embeddings(client: genai.Client) -> None:
    answer = client.models.embed_content(model="gemini-embedding-001", contents="one")
    assert answer.embeddings[0].values


def test_models_are_listed(client: genai.Client) -> None:
    models = list(client.models.list())
    names = [model.name.removeprefix("models/") for model in models]
    assert LISTED.issubset(names)
    for model in models:
        embeds = "embed" in model.name
        assert ("embedContent" in model.supported_actions, "generateContent" in model.supported_actions) == (embeds, not embeds)
    pages = client.models.list(config={"page_size": 3})
    assert len(pages.page) == 3
    # The SDK asks for the following pages by itself.
    assert [model.name.removeprefix("models/") for model in pages] == names


def test_model_of_any_provider_is_found(client: genai.Client) -> None:
    assert client.models.get(model=MODEL).name == f"models/{MODEL}"
    assert client.models.get(model="models/gpt-4.1").display_name == "gpt-4.1"
    with pytest.raises(errors.ClientError) as caught:
        client.models.get(model="no-such-model")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_rate_limit_of_every_key_is_resource_exhausted(trio: Trio, client: genai.Client) -> None:
    trio.fault({"kind": "status", "status": 429, "retry_after": "1"}, model="gemini-limited")
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="gemini-limited", contents=QUESTION)
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")


def test_failure_of_every_key_is_a_server_error(trio: Trio, client: genai.Client) -> None:
    trio.fault({"kind": "status", "status": 500}, model="gemini-broken")
    with pytest.raises(errors.ServerError) as caught:
        client.models.generate_content(model="gemini-broken", contents=QUESTION)
    assert caught.value.code in (502, 503)


def test_cut_stream_is_noticed(trio: Trio, client: genai.Client) -> None:
    trio.fault({"kind": "cut_mid_stream", "after_chunks": 3}, model="gemini-cut")
    finished = False
    with pytest.raises(Exception):  # noqa: B017, PT011 - the SDK's or its HTTP library's, whichever notices first
        for chunk in client.models.generate_content_stream(model="gemini-cut", contents=QUESTION):
            finished = finished or chunk.candidates[0].finish_reason is not None
    assert not finished


def test_wrong_key_is_unauthenticated(trio: Trio) -> None:
    client = genai.Client(api_key="tg_unknown", http_options=types.HttpOptions(base_url=trio.proxy))
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model=MODEL, contents=QUESTION)
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")


def test_unknown_model_is_not_found(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="no-such-model", contents=QUESTION)
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
