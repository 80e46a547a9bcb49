// OpenAI Responses, spoken by `openai`.

import OpenAI from "openai";
import { toResponseInputItems } from "openai/lib/responses/ResponseInputItems";
import { Wire, mapped } from "./wire.mjs";

export class Responses extends Wire {
  name = "responses";
  words = {
    stop: "completed",
    length: "max_output_tokens",
    calls: "completed",
    refused: "completed",
    filtered: "content_filter",
  };
  shows = { thoughts: ["openai", "anthropic", "gemini", "compatible"], stop: false };
  errors = OpenAI;

  constructor({ proxy, directions_key: apiKey }) {
    super();
    this.client = new OpenAI({ baseURL: `${proxy}/v1`, apiKey, maxRetries: 0, fetch: this.fetch });
  }

  converse(settings) {
    return new Conversation(this, settings);
  }

  failure({ status, code, message, param, headers }) {
    return { status, code, message, param, retryAfter: Number(headers?.get("retry-after")) };
  }
}

class Conversation {
  input = [];

  constructor(caller, { model, system, tools, schema, thinks, maxTokens, own }) {
    this.caller = caller;
    this.responses = caller.client.responses;
    this.settings = {
      model,
      store: false,
      ...(system && { instructions: system }),
      ...(tools && { tools: tools.map((tool) => ({ type: "function", strict: false, ...tool })) }),
      ...(schema && { text: { format: { type: "json_schema", name: "answer", schema, strict: true } } }),
      ...(thinks && { reasoning: { effort: "medium", summary: "auto" }, include: ["reasoning.encrypted_content"] }),
      ...(maxTokens && { max_output_tokens: maxTokens }),
      ...own,
    };
  }

  say({ text, image, results }) {
    if (results) {
      this.input.push(...results.map(({ id, output }) => ({ type: "function_call_output", call_id: id, output })));
    } else {
      const picture = image && { type: "input_image", detail: "auto", image_url: `data:image/png;base64,${image}` };
      this.input.push({ role: "user", content: image ? [{ type: "input_text", text }, picture] : text });
    }
    return { ...this.settings, input: this.input };
  }

  async ask(turn) {
    const body = this.say(turn);
    return this.heard(await (body.text ? this.responses.parse(body) : this.responses.create(body)));
  }

  async stream(turn) {
    const stream = this.responses.stream(this.say(turn));
    const pieces = [];
    for await (const event of stream) if (event.type === "response.output_text.delta") pieces.push(event.delta);
    return { ...this.heard(await stream.finalResponse()), pieces };
  }

  async open(turn, signal) {
    const stream = await this.responses.create({ ...this.say(turn), stream: true }, { signal });
    return mapped(stream, (event) => (event.type === "response.output_text.delta" ? event.delta : undefined));
  }

  heard(response) {
    const { output, usage } = response;
    const parts = output.filter(({ type }) => type === "message").flatMap(({ content }) => content);
    this.input.push(...toResponseInputItems(output));
    return {
      text: response.output_text,
      refusal: parts.find(({ type }) => type === "refusal")?.refusal,
      parsed: response.output_parsed,
      thought: output.flatMap(({ type, summary }) => (type === "reasoning" ? summary : [])).map(({ text }) => text).join(""),
      calls: output
        .filter(({ type }) => type === "function_call")
        .map((call) => ({ id: call.call_id, name: call.name, input: JSON.parse(call.arguments) })),
      finish: response.incomplete_details?.reason ?? response.status,
      usage: {
        prompt: usage.input_tokens,
        cached: usage.input_tokens_details.cached_tokens,
        written: usage.input_tokens_details.cache_write_tokens ?? 0,
        output: usage.output_tokens,
        reasoning: usage.output_tokens_details.reasoning_tokens,
        total: usage.total_tokens,
      },
    };
  }
}
