"""The `http-message-signatures` package (RFC 9421) against a service that takes signed requests only."""

import datetime
import json
import uuid

import pytest
import requests
from conftest import Trio
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

COVERED = ("@method", "@target-uri")


class AccessKey(HTTPSignatureKeyResolver):
    """The key of the signature is the access key itself."""

    def __init__(self, secret: str) -> None:
        self.secret = secret.encode()

    def resolve_private_key(self, key_id: str) -> bytes:
        return self.secret

    def resolve_public_key(self, key_id: str) -> bytes:
        return self.secret


PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/gemini-2.5-flash:generateContent",
}
MODELS = {"openai": "gpt-4.1", "anthropic": "claude-sonnet-4-6", "gemini": "gemini-2.5-flash"}


def draft(trio: Trio, protocol: str = "openai", method: str = "POST") -> requests.PreparedRequest:
    """A request that lacks its signature alone."""
    question = "How long is the coast of Norway?"
    body = {"model": MODELS[protocol], "max_tokens": 64, "messages": [{"role": "user", "content": question}]}
    if protocol == "gemini":
        body = {"contents": [{"role": "user", "parts": [{"text": question}]}]}
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    match protocol:
        case "openai":
            headers["authorization"] = f"Bearer {trio.signed_key}"
            del headers["anthropic-version"]
        case "anthropic":
            headers["x-api-key"] = trio.signed_key
        case "gemini":
            headers["x-goog-api-key"] = trio.signed_key
    url = trio.proxy + PATHS[protocol]
    return requests.Request(method, url, headers=headers, data=json.dumps(body)).prepare()


def sign(trio: Trio, request: requests.PreparedRequest, **options) -> requests.PreparedRequest:
    signer = HTTPMessageSigner(
        signature_algorithm=algorithms.HMAC_SHA256, key_resolver=AccessKey(options.pop("key", trio.signed_key))
    )
    options = {
        "key_id": trio.signed_key_id,
        "nonce": str(uuid.uuid4()),
        "covered_component_ids": COVERED,
        "body": request.body.encode() if isinstance(request.body, str) else request.body,
    } | options
    signer.sign(request, **options)
    return request


def send(request: requests.PreparedRequest) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.send(request, timeout=30)


def code(protocol: str, response: requests.Response) -> str:
    """The machine-readable code, where the protocol has it."""
    error = response.json()["error"]
    match protocol:
        case "openai":
            return error["code"]
        case "anthropic":
            return error["details"]["error_code"]
        case _:
            return error["details"][0]["reason"].lower()


def refused(request: requests.PreparedRequest, protocol: str = "openai") -> str:
    response = send(request)
    assert response.status_code == 401, response.text
    assert response.headers["x-should-retry"] == "false"
    return code(protocol, response)


@pytest.mark.parametrize("protocol", PATHS)
def test_signed_request_passes_and_its_signature_stays_here(trio: Trio, protocol: str) -> None:
    response = send(sign(trio, draft(trio, protocol)))
    assert response.status_code == 200, response.text
    received = {name.lower() for name, _ in trio.last()["headers"]}
    assert not received & {"signature", "signature-input", "content-digest"}


def test_more_components_may_be_signed(trio: Trio) -> None:
    covered = (*COVERED, "@authority", "@scheme", "@path", "@query", "@request-target", "content-type", "authorization")
    assert send(sign(trio, draft(trio), covered_component_ids=covered)).status_code == 200


def test_listing_models_needs_a_signature_too(trio: Trio) -> None:
    headers = {"authorization": f"Bearer {trio.signed_key}"}
    request = requests.Request("GET", f"{trio.proxy}/v1/models?limit=5", headers=headers).prepare()
    assert refused(request.copy()) == "signature_missing"
    assert send(sign(trio, request, body=None)).status_code == 200


@pytest.mark.parametrize("protocol", PATHS)
def test_every_protocol_says_what_is_wrong(trio: Trio, protocol: str) -> None:
    arrived = trio.arrived()
    assert refused(draft(trio, protocol), protocol) == "signature_missing"
    altered = sign(trio, draft(trio, protocol))
    altered.body = altered.body.replace("Norway", "Sweden")
    assert refused(altered, protocol) == "content_digest_mismatch"
    assert refused(sign(trio, draft(trio, protocol), key="tg_another"), protocol) == "signature_mismatch"
    assert trio.arrived() == arrived


def test_altered_method_is_noticed(trio: Trio) -> None:
    request = requests.Request(
        "GET", f"{trio.proxy}/v1/files/file-1", headers={"authorization": f"Bearer {trio.signed_key}"}
    ).prepare()
    sign(trio, request, body=None)
    request.method = "DELETE"
    assert refused(request) == "signature_mismatch"


def test_altered_path_and_query_are_noticed(trio: Trio) -> None:
    request = sign(trio, draft(trio))
    request.url = request.url.replace("/v1/chat/completions", "/v1/completions")
    assert refused(request) == "signature_mismatch"
    request = sign(trio, draft(trio))
    request.url += "?store=true"
    assert refused(request) == "signature_mismatch"


def test_old_and_future_signatures_are_refused(trio: Trio) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    for seconds in (-310, 310):
        created = now + datetime.timedelta(seconds=seconds)
        assert refused(sign(trio, draft(trio), created=created)) == "signature_not_current"
    expired = now - datetime.timedelta(seconds=1)
    assert refused(sign(trio, draft(trio), created=now - datetime.timedelta(seconds=60), expires=expired)) == (
        "signature_expired"
    )


def test_nonce_is_accepted_once(trio: Trio) -> None:
    request = sign(trio, draft(trio))
    assert send(request.copy()).status_code == 200
    assert refused(request.copy()) == "nonce_reused"
    nonce = str(uuid.uuid4())
    assert send(sign(trio, draft(trio), nonce=nonce)).status_code == 200
    assert refused(sign(trio, draft(trio), nonce=nonce)) == "nonce_reused"
    assert refused(sign(trio, draft(trio), nonce=None)) == "signature_unsupported"


def test_what_must_be_signed_is_named(trio: Trio) -> None:
    response = send(sign(trio, draft(trio), covered_component_ids=("@method",)))
    assert response.status_code == 401
    assert code("openai", response) == "signature_unsupported"
    assert "@target-uri" in response.json()["error"]["message"]


def test_signature_is_not_looked_at_where_none_is_demanded(trio: Trio) -> None:
    request = draft(trio)
    request.headers["authorization"] = f"Bearer {trio.access_key}"
    assert send(sign(trio, request, key="tg_another")).status_code == 200
