"""`google-genai`, generateContent."""

import base64
from typing import Any

from conftest import PNG, Trio
from google import genai
from google.genai import errors, types
from matrix.caller import RESULTS, TOOLS, Call, Caller, Place, Reply, Shown, Wish, schema


class Generate(Caller):
    name = "generate"
    bad_request = errors.ClientError
    rate_limit = errors.ClientError
    overloaded = errors.ServerError
    api_error = errors.APIError

    def __init__(self, trio: Trio) -> None:
        super().__init__()
        options = types.HttpOptions(base_url=trio.proxy, httpx_client=self.http)
        self.sdk = genai.Client(api_key=trio.directions_key, http_options=options)

    def user(self, text: str, image: bool = False) -> list[Any]:
        parts = [types.Part.from_text(text=text)]
        if image:
            parts.append(types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png"))
        return [types.Content(role="user", parts=parts)]

    def assistant(self, text: str) -> list[Any]:
        return [types.Content(role="model", parts=[types.Part.from_text(text=text)])]

    def said(self, reply: Reply) -> list[Any]:
        return [reply.native.candidates[0].content]

    def results(self, reply: Reply) -> list[Any]:
        parts = [
            types.Part(
                function_response=types.FunctionResponse(
                    id=call.id, name=call.name, response={"result": RESULTS[call.name]}
                )
            )
            for call in reply.calls
        ]
        return [types.Content(role="user", parts=parts)]

    def arguments(self, model: str, turns: list[Any], wish: Wish) -> dict[str, Any]:
        config: dict[str, Any] = {}
        if wish.system:
            config["system_instruction"] = wish.system
        if wish.tools:
            declarations = [
                types.FunctionDeclaration(name=name, description=about, parameters_json_schema=schema(name))
                for name, (about, _) in TOOLS.items()
            ]
            config["tools"] = [types.Tool(function_declarations=declarations)]
        if wish.structure:
            config |= {"response_mime_type": "application/json", "response_schema": Place}
        if wish.reasoning:
            config["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
        if wish.max_tokens:
            config["max_output_tokens"] = wish.max_tokens
        if wish.stop:
            config["stop_sequences"] = wish.stop
        config |= wish.native
        return {"model": model, "contents": turns, "config": types.GenerateContentConfig(**config)}

    def _ask(self, arguments: dict[str, Any], wish: Wish) -> Reply:
        answer = self.sdk.models.generate_content(**arguments)
        return self._reply(answer, answer.parsed)

    def _stream(self, arguments: dict[str, Any], wish: Wish) -> Reply:
        chunks = list(self.sdk.models.generate_content_stream(**arguments))
        whole = chunks[-1].model_copy()
        parts = [part for chunk in chunks for part in self._parts(chunk)]
        if whole.candidates:
            content = types.Content(role="model", parts=parts)
            whole.candidates = [whole.candidates[0].model_copy(update={"content": content})]
        reply = self._reply(whole, Place.model_validate_json(self._text(parts)) if wish.structure else None)
        reply.pieces = [part.text for part in parts if part.text and not part.thought]
        return reply

    def open(self, model: str, turns: list[Any], wish: Wish = Wish()):
        events = self.sdk.models.generate_content_stream(**self.arguments(model, turns, wish))
        return events, events.close

    def status(self, error: Any) -> int:
        return error.code

    def ended_well(self, events: list[Any]) -> bool:
        return any(candidate.finish_reason for event in events for candidate in event.candidates or [])

    def _parts(self, answer: types.GenerateContentResponse) -> list[types.Part]:
        content = answer.candidates[0].content if answer.candidates else None
        return (content and content.parts) or []

    def _text(self, parts: list[types.Part]) -> str:
        return "".join(part.text for part in parts if part.text and not part.thought)

    def _reply(self, answer: types.GenerateContentResponse, parsed: Any) -> Reply:
        parts, usage = self._parts(answer), answer.usage_metadata
        calls = [part.function_call for part in parts if part.function_call]
        if answer.candidates:
            finish = answer.candidates[0].finish_reason
        else:
            finish = answer.prompt_feedback.block_reason
        thoughts = usage.thoughts_token_count or 0
        return Reply(
            native=answer,
            text=self._text(parts),
            finish=finish and finish.value,
            calls=[Call(call.id, call.name, call.args) for call in calls],
            thought="".join(part.text for part in parts if part.text and part.thought),
            parsed=parsed,
            usage=Shown(
                prompt=usage.prompt_token_count,
                output=(usage.candidates_token_count or 0) + thoughts,
                cached=usage.cached_content_token_count or 0,
                written=None,
                reasoning=thoughts,
            ),
        )
