"""`openai`, Responses."""

import json
from typing import Any

import openai
from conftest import Trio
from matrix.caller import IMAGE_URL, RESULTS, TOOLS, Call, Caller, Place, Reply, Shown, Wish, schema
from openai.types.responses import Response


class Responses(Caller):
    name = "responses"
    bad_request = openai.BadRequestError
    rate_limit = openai.RateLimitError
    overloaded = openai.InternalServerError
    api_error = openai.APIError

    def __init__(self, trio: Trio) -> None:
        super().__init__()
        self.sdk = openai.OpenAI(
            base_url=f"{trio.proxy}/v1", api_key=trio.directions_key, max_retries=0, http_client=self.http
        )

    def user(self, text: str, image: bool = False) -> list[Any]:
        if not image:
            return [{"role": "user", "content": text}]
        picture = {"type": "input_image", "image_url": IMAGE_URL, "detail": "auto"}
        return [{"role": "user", "content": [{"type": "input_text", "text": text}, picture]}]

    def assistant(self, text: str) -> list[Any]:
        return [{"role": "assistant", "content": text}]

    def said(self, reply: Reply) -> list[Any]:
        return list(reply.native.output)

    def results(self, reply: Reply) -> list[Any]:
        return [
            {"type": "function_call_output", "call_id": call.id, "output": RESULTS[call.name]} for call in reply.calls
        ]

    def arguments(self, model: str, turns: list[Any], wish: Wish) -> dict[str, Any]:
        arguments: dict[str, Any] = {"model": model, "input": turns, "store": False}
        if wish.system:
            arguments["instructions"] = wish.system
        if wish.tools:
            arguments["tools"] = [
                {"type": "function", "name": name, "description": about, "parameters": schema(name), "strict": False}
                for name, (about, _) in TOOLS.items()
            ]
        if wish.reasoning:
            arguments |= {
                "reasoning": {"effort": "medium", "summary": "auto"},
                "include": ["reasoning.encrypted_content"],
            }
        if wish.max_tokens:
            arguments["max_output_tokens"] = wish.max_tokens
        return arguments | wish.native

    def _ask(self, arguments: dict[str, Any], wish: Wish) -> Reply:
        if wish.structure:
            return self._reply(self.sdk.responses.parse(text_format=Place, **arguments))
        return self._reply(self.sdk.responses.create(**arguments))

    def _stream(self, arguments: dict[str, Any], wish: Wish) -> Reply:
        if wish.structure:
            arguments["text_format"] = Place
        pieces = []
        with self.sdk.responses.stream(**arguments) as events:
            for event in events:
                if event.type == "response.output_text.delta":
                    pieces.append(event.delta)
        # The last event holds the whole answer; the SDK's own accumulator gives only completed ones.
        assert event.type in ("response.completed", "response.incomplete"), event.type
        if event.type == "response.completed":
            assert events.get_final_response().output == event.response.output
        reply = self._reply(event.response)
        reply.pieces = pieces
        return reply

    def open(self, model: str, turns: list[Any], wish: Wish = Wish()):
        events = self.sdk.responses.create(stream=True, **self.arguments(model, turns, wish))
        return events, events.close

    def ended_well(self, events: list[Any]) -> bool:
        return any(event.type in ("response.completed", "response.incomplete") for event in events)

    def _reply(self, answer: Response) -> Reply:
        items = answer.output
        parts = [part for item in items if item.type == "message" for part in item.content]
        usage = answer.usage
        details = answer.incomplete_details
        return Reply(
            native=answer,
            text=answer.output_text,
            finish=details.reason if details else answer.status,
            calls=[
                Call(item.call_id, item.name, json.loads(item.arguments))
                for item in items
                if item.type == "function_call"
            ],
            thought="".join(part.text for item in items if item.type == "reasoning" for part in item.summary),
            refusal="".join(part.refusal for part in parts if part.type == "refusal") or None,
            parsed=getattr(answer, "output_parsed", None),
            usage=Shown(
                prompt=usage.input_tokens,
                output=usage.output_tokens,
                cached=usage.input_tokens_details.cached_tokens,
                written=usage.input_tokens_details.cache_write_tokens,
                reasoning=usage.output_tokens_details.reasoning_tokens,
            ),
        )
