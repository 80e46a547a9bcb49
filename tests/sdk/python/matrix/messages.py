"""`anthropic`, Messages."""

from typing import Any

import anthropic
from anthropic.types import Message
from conftest import PNG, Trio
from matrix.caller import RESULTS, TOOLS, Call, Caller, Place, Reply, Shown, Wish, schema


class Messages(Caller):
    name = "messages"
    bad_request = anthropic.BadRequestError
    rate_limit = anthropic.RateLimitError
    overloaded = anthropic.APIStatusError
    api_error = anthropic.APIError

    def __init__(self, trio: Trio) -> None:
        super().__init__()
        self.sdk = anthropic.Anthropic(
            base_url=trio.proxy, api_key=trio.directions_key, max_retries=0, http_client=self.http
        )

    def user(self, text: str, image: bool = False) -> list[Any]:
        if not image:
            return [{"role": "user", "content": text}]
        picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
        return [{"role": "user", "content": [picture, {"type": "text", "text": text}]}]

    def assistant(self, text: str) -> list[Any]:
        return [{"role": "assistant", "content": text}]

    def said(self, reply: Reply) -> list[Any]:
        return [{"role": "assistant", "content": reply.native.content}]

    def results(self, reply: Reply) -> list[Any]:
        content = [
            {"type": "tool_result", "tool_use_id": call.id, "content": RESULTS[call.name]} for call in reply.calls
        ]
        return [{"role": "user", "content": content}]

    def arguments(self, model: str, turns: list[Any], wish: Wish) -> dict[str, Any]:
        arguments: dict[str, Any] = {"model": model, "messages": turns, "max_tokens": wish.max_tokens or 4096}
        if wish.system:
            arguments["system"] = wish.system
        if wish.tools:
            arguments["tools"] = [
                {"name": name, "description": about, "input_schema": schema(name)}
                for name, (about, _) in TOOLS.items()
            ]
        if wish.reasoning:
            arguments["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        if wish.stop:
            arguments["stop_sequences"] = wish.stop
        return arguments | wish.native

    def _ask(self, arguments: dict[str, Any], wish: Wish) -> Reply:
        if wish.structure:
            return self._reply(self.sdk.messages.parse(output_format=Place, **arguments))
        return self._reply(self.sdk.messages.create(**arguments))

    def _stream(self, arguments: dict[str, Any], wish: Wish) -> Reply:
        if wish.structure:
            arguments["output_format"] = Place
        with self.sdk.messages.stream(**arguments) as events:
            pieces = list(events.text_stream)
            reply = self._reply(events.get_final_message())
        reply.pieces = pieces
        return reply

    def open(self, model: str, turns: list[Any], wish: Wish = Wish()):
        events = self.sdk.messages.create(stream=True, **self.arguments(model, turns, wish))
        return events, events.close

    def ended_well(self, events: list[Any]) -> bool:
        return any(event.type == "message_stop" for event in events)

    def _reply(self, answer: Message) -> Reply:
        blocks, usage = answer.content, answer.usage
        read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        return Reply(
            native=answer,
            text="".join(block.text for block in blocks if block.type == "text"),
            finish=answer.stop_reason,
            calls=[Call(block.id, block.name, block.input) for block in blocks if block.type == "tool_use"],
            thought="".join(block.thinking for block in blocks if block.type == "thinking"),
            parsed=getattr(answer, "parsed_output", None),
            usage=Shown(
                prompt=usage.input_tokens + read + written,
                output=usage.output_tokens,
                cached=read,
                written=written,
                reasoning=usage.output_tokens_details and usage.output_tokens_details.thinking_tokens,
            ),
        )
