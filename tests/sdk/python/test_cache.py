"""Answers that a service keeps, read by the official packages: the second time like the first."""

import time

import anthropic
import openai
import pytest
from conftest import Trio
from google import genai

QUESTION = "How long is the coast of Norway?"
MESSAGES = [{"role": "user", "content": QUESTION}]


@pytest.fixture(scope="module")
def key(trio: Trio) -> str:
    """The access key of a service that keeps answers, as soon as the proxy knows it."""
    services = trio.administer("services?limit=100")["items"]
    routes = next(service["routes"] for service in services if service["slug"] == "application")
    service = {"name": "keeping", "slug": "keeping", "routes": routes, "response_cache": {"ttl_seconds": 600}}
    service_id = trio.administer("services", service)["id"]
    key = trio.administer("access-keys", {"service_id": service_id, "name": "keeping"})["secret"]
    client = openai.OpenAI(base_url=f"{trio.proxy}/v1", api_key=key, max_retries=0)
    deadline = time.monotonic() + 30
    while True:
        try:
            client.models.list()
            return key
        except openai.AuthenticationError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def marks(responses: list) -> list[str]:
    return [response.headers["x-tollgate-cache"] for response in responses]


@pytest.mark.parametrize("stream", [False, True])
def test_openai(trio: Trio, key: str, stream: bool) -> None:
    client = openai.OpenAI(base_url=f"{trio.proxy}/v1", api_key=key, max_retries=0)
    arrived = trio.arrived()
    raws, answers = [], []
    for _ in range(2):
        raw = client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=MESSAGES, stream=stream)
        answer = raw.parse()
        answers.append([chunk.to_dict() for chunk in answer] if stream else answer.to_dict())
        raws.append(raw)
    assert marks(raws) == ["miss", "hit"]
    assert trio.arrived() == arrived + 1
    assert answers[0] == answers[1] and answers[0]
    assert trio.event(raws[1].headers["x-request-id"])["cache"] == "hit"


def test_anthropic_stream(trio: Trio, key: str) -> None:
    client = anthropic.Anthropic(base_url=trio.proxy, api_key=key, max_retries=0)
    arrived = trio.arrived()
    responses, texts = [], []
    for _ in range(2):
        with client.messages.stream(model="claude-sonnet-4-6", max_tokens=256, messages=MESSAGES) as stream:
            texts.append((stream.get_final_text(), stream.get_final_message().to_dict()))
            responses.append(stream.response)
    assert marks(responses) == ["miss", "hit"]
    assert trio.arrived() == arrived + 1
    assert texts[0] == texts[1] and texts[0][0]


def test_gemini_stream(trio: Trio, key: str) -> None:
    client = genai.Client(api_key=key, http_options={"base_url": trio.proxy})
    arrived = trio.arrived()
    texts = []
    for _ in range(2):
        chunks = client.models.generate_content_stream(model="gemini-2.5-flash", contents=QUESTION)
        texts.append([chunk.text for chunk in chunks])
    assert trio.arrived() == arrived + 1
    assert texts[0] == texts[1] and texts[0]
