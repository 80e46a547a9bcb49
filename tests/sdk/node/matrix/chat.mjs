// OpenAI chat completions, spoken by `openai`.

import OpenAI from "openai";
import { Wire, mapped } from "./wire.mjs";

export class Chat extends Wire {
  name = "chat";
  words = { stop: "stop", stopSequence: "stop", length: "length", calls: "tool_calls", refused: "stop", filtered: "content_filter" };
  shows = { thoughts: ["anthropic", "gemini", "compatible"], stop: true };
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
  messages = [];

  constructor(caller, { model, system, tools, schema, thinks, maxTokens, stop, own }) {
    this.caller = caller;
    this.completions = caller.client.chat.completions;
    if (system) this.messages.push({ role: "system", content: system });
    this.settings = {
      model,
      ...(tools && { tools: tools.map((tool) => ({ type: "function", function: tool })) }),
      ...(schema && { response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } } }),
      ...(thinks && { reasoning_effort: "medium" }),
      ...(maxTokens && { max_completion_tokens: maxTokens }),
      ...(stop && { stop }),
      ...own,
    };
  }

  say({ text, image, results }) {
    if (results) {
      this.messages.push(...results.map(({ id, output }) => ({ role: "tool", tool_call_id: id, content: output })));
    } else {
      const picture = image && { type: "image_url", image_url: { url: `data:image/png;base64,${image}` } };
      this.messages.push({ role: "user", content: image ? [{ type: "text", text }, picture] : text });
    }
    return { ...this.settings, messages: this.messages };
  }

  async ask(turn) {
    const body = this.say(turn);
    const completion = await (body.response_format ? this.completions.parse(body) : this.completions.create(body));
    return this.heard(completion, completion.choices[0].message.reasoning_content);
  }

  async stream(turn) {
    const stream = this.completions.stream({ ...this.say(turn), stream_options: { include_usage: true } });
    const pieces = [];
    let thought = "";
    for await (const { choices } of stream) {
      pieces.push(choices[0]?.delta.content);
      thought += choices[0]?.delta.reasoning_content ?? "";
    }
    return { ...this.heard(await stream.finalChatCompletion(), thought), pieces: pieces.filter(Boolean) };
  }

  async open(turn, signal) {
    const stream = await this.completions.create({ ...this.say(turn), stream: true }, { signal });
    return mapped(stream, ({ choices }) => choices[0]?.delta.content);
  }

  heard(completion, thought) {
    const [{ message, finish_reason: finish }] = completion.choices;
    const { usage } = completion;
    this.messages.push(message);
    return {
      text: message.content ?? "",
      refusal: message.refusal,
      parsed: message.parsed,
      thought: thought ?? "",
      calls: (message.tool_calls ?? []).map((call) => ({
        id: call.id,
        name: call.function.name,
        input: JSON.parse(call.function.arguments),
      })),
      finish,
      usage: usage && {
        prompt: usage.prompt_tokens,
        cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
        written: usage.prompt_tokens_details?.cache_write_tokens ?? 0,
        output: usage.completion_tokens,
        reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
        total: usage.total_tokens,
      },
    };
  }
}
