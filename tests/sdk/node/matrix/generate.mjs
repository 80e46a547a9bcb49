// Gemini generateContent, spoken by `@google/genai`; its chat keeps the history.

import { ApiError, GoogleGenAI } from "@google/genai";
import { Wire, mapped } from "./wire.mjs";

export class Generate extends Wire {
  name = "generate";
  words = { stop: "STOP", stopSequence: "STOP", length: "MAX_TOKENS", calls: "STOP", refused: "STOP", filtered: "SAFETY" };
  shows = { thoughts: ["openai", "anthropic", "gemini", "compatible"], stop: true };
  errors = { RateLimitError: ApiError, InternalServerError: ApiError, BadRequestError: ApiError };

  constructor({ proxy, directions_key: apiKey }) {
    super();
    this.client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: proxy, fetch: this.fetch } });
  }

  converse(settings) {
    return new Conversation(this, settings);
  }

  // The SDK holds the status and the body as text.
  failure({ status, message: text }) {
    const { message, status: code, details = [] } = JSON.parse(text.slice(text.indexOf("{"))).error;
    const retry = details.find((detail) => detail["@type"]?.endsWith("RetryInfo"));
    return { status, code, message, retryAfter: Number.parseFloat(retry?.retryDelay) };
  }
}

class Conversation {
  constructor(caller, { model, system, tools, schema, thinks, maxTokens, stop, own }) {
    this.caller = caller;
    const declared = tools?.map(({ parameters, ...tool }) => ({ ...tool, parametersJsonSchema: parameters }));
    const config = {
      ...(system && { systemInstruction: system }),
      ...(tools && { tools: [{ functionDeclarations: declared }] }),
      ...(schema && { responseMimeType: "application/json", responseJsonSchema: schema }),
      ...(thinks && { thinkingConfig: { includeThoughts: true, thinkingBudget: 2048 } }),
      ...(maxTokens && { maxOutputTokens: maxTokens }),
      ...(stop && { stopSequences: stop }),
      ...own,
    };
    this.config = config;
    this.chat = caller.client.chats.create({ model, config });
  }

  say({ text, image, results }) {
    if (!results) return [...(image ? [{ inlineData: { mimeType: "image/png", data: image } }] : []), { text }];
    return results.map(({ id, name, output }) => ({
      functionResponse: { ...(id && { id }), name, response: { output } },
    }));
  }

  async ask(turn) {
    return this.heard([await this.chat.sendMessage({ message: this.say(turn) })]);
  }

  async stream(turn) {
    const chunks = [];
    for await (const chunk of await this.chat.sendMessageStream({ message: this.say(turn) })) chunks.push(chunk);
    const pieces = chunks.map(({ candidates }) => said(candidates?.[0]?.content?.parts, false)).filter(Boolean);
    return { ...this.heard(chunks), pieces };
  }

  async open(turn, abortSignal) {
    const config = { ...this.config, ...(abortSignal && { abortSignal }) };
    const stream = await this.chat.sendMessageStream({ message: this.say(turn), config });
    return mapped(stream, (chunk) => said(chunk.candidates?.[0]?.content?.parts, false));
  }

  // A whole answer is a stream of one.
  heard(chunks) {
    const candidates = chunks.flatMap((chunk) => chunk.candidates ?? []);
    const parts = candidates.flatMap(({ content }) => content?.parts ?? []);
    const text = said(parts, false);
    const usage = chunks.at(-1).usageMetadata;
    return {
      text,
      ...(this.config.responseJsonSchema && { parsed: JSON.parse(text) }),
      thought: said(parts, true),
      calls: chunks
        .flatMap((chunk) => chunk.functionCalls ?? [])
        .map(({ id, name, args }) => ({ id, name, input: args })),
      finish: candidates.at(-1)?.finishReason,
      blocked: chunks.at(-1).promptFeedback?.blockReason,
      usage: {
        prompt: usage.promptTokenCount + (usage.toolUsePromptTokenCount ?? 0),
        cached: usage.cachedContentTokenCount ?? 0,
        output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
        reasoning: usage.thoughtsTokenCount ?? 0,
        total: usage.totalTokenCount,
      },
    };
  }
}

// The text of parts that are thoughts, or of those that are none.
const said = (parts, thought) =>
  (parts ?? []).filter((part) => Boolean(part.thought) === thought).map((part) => part.text ?? "").join("");
