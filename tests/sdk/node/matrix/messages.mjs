// Anthropic Messages, spoken by `@anthropic-ai/sdk`.

import Anthropic from "@anthropic-ai/sdk";
import { jsonSchemaOutputFormat } from "@anthropic-ai/sdk/helpers/json-schema";
import { Wire, mapped } from "./wire.mjs";

export class Messages extends Wire {
  name = "messages";
  words = {
    stop: "end_turn",
    stopSequence: "stop_sequence",
    length: "max_tokens",
    calls: "tool_use",
    refused: "refusal",
    filtered: "refusal",
  };
  shows = { thoughts: ["openai", "anthropic", "gemini", "compatible"], stop: true };
  errors = Anthropic;

  constructor({ proxy, directions_key: apiKey }) {
    super();
    this.client = new Anthropic({ baseURL: proxy, apiKey, maxRetries: 0, fetch: this.fetch });
  }

  converse(settings) {
    return new Conversation(this, settings);
  }

  failure({ status, type, message, headers }) {
    return { status, code: type, message, retryAfter: Number(headers?.get("retry-after")) };
  }
}

class Conversation {
  turns = [];

  constructor(caller, { model, system, tools, schema, thinks, maxTokens, stop, own }) {
    this.caller = caller;
    this.messages = caller.client.messages;
    this.settings = {
      model,
      max_tokens: maxTokens ?? 8192,
      ...(system && { system }),
      ...(tools && { tools: tools.map(({ parameters, ...tool }) => ({ ...tool, input_schema: parameters })) }),
      ...(schema && { output_config: { format: jsonSchemaOutputFormat(schema) } }),
      ...(thinks && { thinking: { type: "enabled", budget_tokens: 2048 } }),
      ...(stop && { stop_sequences: stop }),
      ...own,
    };
  }

  say({ text, image, results }) {
    const picture = image && { type: "image", source: { type: "base64", media_type: "image/png", data: image } };
    const content = results
      ? results.map(({ id, output }) => ({ type: "tool_result", tool_use_id: id, content: output }))
      : image
        ? [picture, { type: "text", text }]
        : text;
    this.turns.push({ role: "user", content });
    return { ...this.settings, messages: this.turns };
  }

  async ask(turn) {
    const body = this.say(turn);
    return this.heard(await (body.output_config?.format ? this.messages.parse(body) : this.messages.create(body)));
  }

  async stream(turn) {
    const pieces = [];
    const stream = this.messages.stream(this.say(turn)).on("text", (piece) => pieces.push(piece));
    return { ...this.heard(await stream.finalMessage()), pieces };
  }

  async open(turn, signal) {
    const stream = await this.messages.create({ ...this.say(turn), stream: true }, { signal });
    return mapped(stream, (event) => event.delta?.text);
  }

  heard(message) {
    const { content, usage } = message;
    const all = (kind, member) => content.filter(({ type }) => type === kind).map((block) => block[member]).join("");
    const [cached, written] = [usage.cache_read_input_tokens ?? 0, usage.cache_creation_input_tokens ?? 0];
    this.turns.push({ role: message.role, content });
    return {
      text: all("text", "text"),
      parsed: message.parsed_output,
      thought: all("thinking", "thinking"),
      calls: content.filter(({ type }) => type === "tool_use").map(({ id, name, input }) => ({ id, name, input })),
      finish: message.stop_reason,
      stoppedBy: message.stop_sequence,
      usage: {
        prompt: usage.input_tokens + cached + written,
        cached,
        written,
        output: usage.output_tokens,
        reasoning: usage.output_tokens_details?.thinking_tokens ?? 0,
      },
    };
  }
}
