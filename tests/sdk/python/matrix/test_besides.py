"""What is asked besides conversations: embeddings, counts of tokens, and which models there are."""

import pytest
from google.genai import types
from matrix.caller import QUESTION
from matrix.chat import Chat
from matrix.conftest import TARGETS, Trio
from matrix.generate import Generate
from matrix.messages import Messages
from matrix.responses import Responses

# How a provider that counts tokens is asked.
COUNTED_AT = {"openai": "/v1/responses/input_tokens", "anthropic": "/count_tokens", "gemini": ":countTokens"}
TEXTS = ["one", "another"]


@pytest.mark.parametrize("target", ["openai", "gemini"])
def test_embeddings_for_openais_sdk(trio: Trio, target: str) -> None:
    sdk, model = Chat(trio).sdk, f"vectors-{target}"
    # The SDK asks for base64 by itself, and decodes it.
    usual = sdk.embeddings.create(model=model, input=TEXTS)
    floats = sdk.embeddings.create(model=model, input=TEXTS, encoding_format="float")
    assert [item.index for item in usual.data] == [0, 1]
    for one, other in zip(usual.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert usual.data[0].embedding != usual.data[1].embedding
    assert usual.usage.prompt_tokens == trio.last()["generated"]["input_uncached"]
    sized = sdk.embeddings.create(model=model, input="one", dimensions=8)
    assert len(sized.data[0].embedding) == 8


@pytest.mark.parametrize("target", ["openai", "gemini"])
def test_embeddings_for_googles_sdk(trio: Trio, target: str) -> None:
    sdk, model = Generate(trio).sdk, f"vectors-{target}"
    # Contents of their own: the SDK joins plain texts into one where the name speaks of Gemini.
    contents = [types.Content(parts=[types.Part(text=text)]) for text in TEXTS]
    answer = sdk.models.embed_content(model=model, contents=contents)
    first, second = (item.values for item in answer.embeddings)
    assert first and second and first != second
    sized = sdk.models.embed_content(
        model=model, contents="one", config=types.EmbedContentConfig(output_dimensionality=8)
    )
    assert [len(item.values) for item in sized.embeddings] == [8]


def count(trio: Trio, caller: str, model: str) -> int:
    if caller == "responses":
        return Responses(trio).sdk.responses.input_tokens.count(model=model, input=QUESTION).input_tokens
    if caller == "messages":
        turns = [{"role": "user", "content": QUESTION}]
        return Messages(trio).sdk.messages.count_tokens(model=model, messages=turns).input_tokens
    return Generate(trio).sdk.models.count_tokens(model=model, contents=QUESTION).total_tokens


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("caller", ["responses", "messages", "generate"])
def test_tokens_are_counted(trio: Trio, caller: str, target: str) -> None:
    before = trio.arrived()
    tokens = count(trio, caller, f"to-{target}-sim-strict")
    assert len(QUESTION) / 4 <= tokens < len(QUESTION)
    if target in COUNTED_AT:
        assert COUNTED_AT[target] in trio.last()["target"]
    else:
        # It has no such question, and the gateway estimates.
        assert trio.arrived() == before


def test_models_are_listed_in_every_protocol(trio: Trio) -> None:
    openai = [model.id for model in Chat(trio).sdk.models.list()]
    anthropic = [model.id for model in Messages(trio).sdk.models.list()]
    gemini = [model.name.removeprefix("models/") for model in Generate(trio).sdk.models.list()]
    for listed in (openai, anthropic, gemini):
        assert listed and all(listed)
