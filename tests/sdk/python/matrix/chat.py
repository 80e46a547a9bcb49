"""`openai`, chat completions."""

import json
from typing import Any

import openai
from conftest import Trio
from matrix.caller import IMAGE_URL, RESULTS, TOOLS, Call, Caller, Place, Reply, Shown, Wish, schema
from openai.types.chat import ChatCompletion


class Chat(Caller):
    name = "chat"
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
        picture = {"type": "image_url", "image_url": {"url": IMAGE_URL}}
        return [{"role": "user", "content": [{"type": "text", "text": text}, picture]}]

    def assistant(self, text: str) -> list[Any]:
        return [{"role": "assistant", "content": text}]

    def said(self, reply: Reply) -> list[Any]:
        return [reply.native.choices[0].message]

    def results(self, reply: Reply) -> list[Any]:
        return [{"role": "tool", "tool_call_id": call.id, "content": RESULTS[call.name]} for call in reply.calls]

    def arguments(self, model: str, turns: list[Any], wish: Wish) -> dict[str, Any]:
        system = [{"role": "system", "content": wish.system}] if wish.system else []
        arguments: dict[str, Any] = {"model": model, "messages": system + turns}
        if wish.tools:
            arguments["tools"] = [
                {"type": "function", "function": {"name": name, "description": about, "parameters": schema(name)}}
                for name, (about, _) in TOOLS.items()
            ]
        if wish.reasoning:
            arguments["reasoning_effort"] = "medium"
        if wish.max_tokens:
            arguments["max_completion_tokens"] = wish.max_tokens
        if wish.stop:
            arguments["stop"] = wish.stop
        return arguments | wish.native

    def _ask(self, arguments: dict[str, Any], wish: Wish) -> Reply:
        if wish.structure:
            return self._reply(self.sdk.chat.completions.parse(response_format=Place, **arguments))
        return self._reply(self.sdk.chat.completions.create(**arguments))

    def _stream(self, arguments: dict[str, Any], wish: Wish) -> Reply:
        if wish.structure:
            arguments["response_format"] = Place
        options = {"include_usage": True}
        pieces = []
        with self.sdk.chat.completions.stream(stream_options=options, **arguments) as events:
            try:
                for event in events:
                    if event.type == "content.delta":
                        pieces.append(event.delta)
                answer = events.get_final_completion()
            except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError):
                # Its accumulator takes such an end for an error.
                answer = events.current_completion_snapshot
        reply = self._reply(answer)
        reply.pieces = pieces
        return reply

    def open(self, model: str, turns: list[Any], wish: Wish = Wish()):
        events = self.sdk.chat.completions.create(stream=True, **self.arguments(model, turns, wish))
        return events, events.close

    def ended_well(self, events: list[Any]) -> bool:
        return any(choice.finish_reason for event in events for choice in event.choices)

    def _reply(self, answer: ChatCompletion) -> Reply:
        (choice,) = answer.choices
        message, usage = choice.message, answer.usage
        calls = message.tool_calls or []
        details = getattr(message, "reasoning_details", None)
        thoughts = [detail.get("text", "") for detail in details or []]
        return Reply(
            native=answer,
            text=message.content or "",
            finish=choice.finish_reason,
            calls=[Call(call.id, call.function.name, json.loads(call.function.arguments)) for call in calls],
            thought="".join(thoughts) or getattr(message, "reasoning_content", None) or "",
            refusal=message.refusal,
            parsed=getattr(message, "parsed", None),
            usage=usage
            and Shown(
                prompt=usage.prompt_tokens,
                output=usage.completion_tokens,
                cached=usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens,
                written=usage.prompt_tokens_details and usage.prompt_tokens_details.cache_write_tokens,
                reasoning=usage.completion_tokens_details and usage.completion_tokens_details.reasoning_tokens,
            ),
        )
