// The official `@google/genai` package: base URL and key are all that is changed.

import { ApiError, FunctionCallingConfigMode, GoogleGenAI, Type } from "@google/genai";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LISTED, PNG, collect, startTrio } from "./trio.mjs";

const model = "gemini-2.5-flash";
const contents = "How long is the coast of Norway?";
const weather = {
  name: "weather",
  description: "The weather of a city",
  parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ["city"] },
};
const config = {
  tools: [{ functionDeclarations: [weather] }],
  toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
};

let trio, client;
before(async () => {
  trio = await startTrio();
  client = new GoogleGenAI({ apiKey: trio.access_key, httpOptions: { baseUrl: trio.proxy } });
});
after(() => trio?.stop());

const requestId = (answer) => new Headers(answer.sdkHttpResponse.headers).get("x-request-id");
const output = (usage) => (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0);
const hasStatus = (...statuses) => (error) => error instanceof ApiError && statuses.includes(error.status);

for (const apiVersion of [undefined, "v1", "v1beta"]) {
  test(`plain answer and its usage, API version ${apiVersion ?? "by default"}`, async () => {
    const options = { baseUrl: trio.proxy, ...(apiVersion && { apiVersion }) };
    const versioned = new GoogleGenAI({ apiKey: trio.access_key, httpOptions: options });
    const answer = await versioned.models.generateContent({ model, contents });
    assert.ok(answer.text);
    const usage = await trio.usage(requestId(answer));
    assert.equal(answer.usageMetadata.promptTokenCount, usage.prompt);
    assert.equal(output(answer.usageMetadata), usage.output);
  });
}

test("stream and its usage", async () => {
  const chunks = await collect(await client.models.generateContentStream({ model, contents }));
  assert.ok(chunks.map((chunk) => chunk.text ?? "").join(""));
  const usage = await trio.usage(requestId(chunks[0]));
  assert.equal(chunks.at(-1).usageMetadata.promptTokenCount, usage.prompt);
  assert.equal(output(chunks.at(-1).usageMetadata), usage.output);
});

test("tool call, plain", async () => {
  const answer = await client.models.generateContent({ model, contents, config });
  assert.equal(answer.functionCalls[0].name, "weather");
  assert.ok("city" in answer.functionCalls[0].args);
});

test("tool call, streamed", async () => {
  const chunks = await collect(await client.models.generateContentStream({ model, contents, config }));
  assert.equal(chunks.flatMap((chunk) => chunk.functionCalls ?? [])[0].name, "weather");
});

test("image reaches the provider", async () => {
  const image = { inlineData: { mimeType: "image/png", data: PNG } };
  const answer = await client.models.generateContent({ model, contents: [image, { text: "What is this?" }] });
  assert.ok(answer.text);
});

test("token count", async () => {
  assert.ok((await client.models.countTokens({ model, contents })).totalTokens > 0);
});

test("embeddings", async () => {
  const answer = await client.models.embedContent({ model: "gemini-embedding-001", contents: "one" });
  assert.ok(answer.embeddings[0].values.length > 0);
});

test("models are listed", async () => {
  const named = async (config) => (await collect(await client.models.list({ config }))).map(({ name }) => name);
  const names = await named();
  assert.ok(LISTED.every((name) => names.includes(`models/${name}`)));
  // The SDK asks for the following pages by itself.
  assert.deepEqual(await named({ pageSize: 3 }), names);
});

test("model of any provider is found", async () => {
  assert.equal((await client.models.get({ model: "gpt-4.1" })).name, "models/gpt-4.1");
  await assert.rejects(client.models.get({ model: "no-such-model" }), hasStatus(404));
});

test("rate limit of every key is 429", async () => {
  await trio.fault({ kind: "status", status: 429, retry_after: "1" }, "gemini-limited");
  await assert.rejects(client.models.generateContent({ model: "gemini-limited", contents }), hasStatus(429));
});

test("failure of every key is a server error", async () => {
  await trio.fault({ kind: "status", status: 500 }, "gemini-broken");
  await assert.rejects(client.models.generateContent({ model: "gemini-broken", contents }), hasStatus(502, 503));
});

test("cut stream is noticed", async () => {
  await trio.fault({ kind: "cut_mid_stream", after_chunks: 3 }, "gemini-cut");
  await assert.rejects(async () => collect(await client.models.generateContentStream({ model: "gemini-cut", contents })));
});

test("wrong key is unauthenticated", async () => {
  const stranger = new GoogleGenAI({ apiKey: "tg_unknown", httpOptions: { baseUrl: trio.proxy } });
  await assert.rejects(stranger.models.generateContent({ model, contents }), hasStatus(401));
});

test("unknown model is not found", async () => {
  await assert.rejects(client.models.generateContent({ model: "no-such-model", contents }), hasStatus(404));
});
