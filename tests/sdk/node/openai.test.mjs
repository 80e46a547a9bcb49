// The official `openai` package: base URL and key are all that is changed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI, { toFile } from "openai";
import { LISTED, PNG, collect, startTrio } from "./trio.mjs";

const model = "gpt-4.1";
const messages = [{ role: "user", content: "How long is the coast of Norway?" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "weather", description: "The weather of a city", parameters } }];

let trio, client;
before(async () => {
  trio = await startTrio();
  client = new OpenAI({ baseURL: `${trio.proxy}/v1`, apiKey: trio.access_key, maxRetries: 0 });
});
after(() => trio?.stop());

test("plain answer and its usage", async () => {
  const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
  assert.ok(data.choices[0].message.content);
  assert.equal(data.choices[0].finish_reason, "stop");
  const usage = await trio.usage(response.headers.get("x-request-id"));
  assert.equal(data.usage.prompt_tokens, usage.prompt);
  assert.equal(data.usage.completion_tokens, usage.output);
});

test("stream without usage shows none and is counted", async () => {
  const { data, response } = await client.chat.completions.create({ model, messages, stream: true }).withResponse();
  const chunks = await collect(data);
  assert.ok(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""));
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  assert.ok(chunks.every((chunk) => chunk.usage == null));
  await trio.usage(response.headers.get("x-request-id"));
});

test("stream with usage ends with it", async () => {
  const body = { model, messages, stream: true, stream_options: { include_usage: true } };
  const { data, response } = await client.chat.completions.create(body).withResponse();
  const last = (await collect(data)).at(-1);
  assert.deepEqual(last.choices, []);
  const usage = await trio.usage(response.headers.get("x-request-id"));
  assert.equal(last.usage.prompt_tokens, usage.prompt);
  assert.equal(last.usage.completion_tokens, usage.output);
});

test("tool call, plain", async () => {
  const answer = await client.chat.completions.create({ model, messages, tools, tool_choice: "required" });
  assert.equal(answer.choices[0].finish_reason, "tool_calls");
  assert.equal(answer.choices[0].message.tool_calls[0].function.name, "weather");
});

test("tool call, streamed", async () => {
  const answer = await client.chat.completions.stream({ model, messages, tools, tool_choice: "required" }).finalChatCompletion();
  const call = answer.choices[0].message.tool_calls[0].function;
  assert.equal(call.name, "weather");
  assert.ok("city" in JSON.parse(call.arguments));
});

test("image reaches the provider", async () => {
  const image = { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } };
  const content = [{ type: "text", text: "What is this?" }, image];
  const answer = await client.chat.completions.create({ model, messages: [{ role: "user", content }] });
  assert.ok(answer.choices[0].message.content);
});

test("responses, plain and streamed", async () => {
  const plain = await client.responses.create({ model, input: "Say something." }).withResponse();
  assert.ok(plain.data.output_text);
  const usage = await trio.usage(plain.response.headers.get("x-request-id"));
  assert.equal(plain.data.usage.output_tokens, usage.output);
  const stream = await client.responses.create({ model, input: "Say something.", stream: true }).withResponse();
  assert.equal((await collect(stream.data)).at(-1).type, "response.completed");
  await trio.usage(stream.response.headers.get("x-request-id"));
});

test("a conversation that the provider stores", async () => {
  let previous = await client.responses.create({ model, input: "Say something." });
  for (let turn = 0; turn < 4; turn += 1) {
    const answer = await client.responses.create({ model, input: "And?", previous_response_id: previous.id });
    assert.equal(answer.previous_response_id, previous.id);
    assert.equal((await client.responses.retrieve(answer.id)).id, answer.id);
    previous = answer;
  }
  await client.responses.delete(previous.id);
  await assert.rejects(client.responses.retrieve(previous.id), OpenAI.NotFoundError);
});

test("files and batches", async () => {
  const body = { model, messages };
  const line = JSON.stringify({ custom_id: "one", method: "POST", url: "/v1/chat/completions", body });
  const file = await client.files.create({ file: await toFile(Buffer.from(line), "in.jsonl"), purpose: "batch" });
  const batch = { input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" };
  const created = [await client.batches.create(batch), await client.batches.create(batch)];
  let done;
  do done = await client.batches.retrieve(created[0].id);
  while (done.status !== "completed");
  assert.equal(JSON.parse(await (await client.files.content(done.output_file_id)).text()).custom_id, "one");
  const listed = (await collect(client.batches.list({ limit: 1 }))).map(({ id }) => id);
  assert.ok(created.every(({ id }) => listed.includes(id)));
  assert.equal((await client.files.delete(file.id)).id, file.id);
});

test("embeddings", async () => {
  const answer = await client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] });
  assert.equal(answer.data.length, 2);
});

test("models are listed", async () => {
  const models = await collect(await client.models.list());
  const names = models.map(({ id }) => id);
  assert.deepEqual(names, [...new Set(names)].sort());
  assert.ok(LISTED.every((name) => names.includes(name)));
  assert.ok(models.every(({ object, created }) => object === "model" && Number.isInteger(created)));
});

test("model of any provider is found", async () => {
  assert.equal((await client.models.retrieve("claude-opus-5")).id, "claude-opus-5");
  await assert.rejects(client.models.retrieve("no-such-model"), OpenAI.NotFoundError);
});

test("rate limit of every key is a rate limit error", async () => {
  await trio.fault({ kind: "status", status: 429, retry_after: "1" }, "gpt-limited");
  await assert.rejects(client.chat.completions.create({ model: "gpt-limited", messages }), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.ok(Number(error.headers.get("retry-after")) >= 1);
    return true;
  });
});

test("failure of every key is a server error", async () => {
  await trio.fault({ kind: "status", status: 500 }, "gpt-broken");
  await assert.rejects(client.chat.completions.create({ model: "gpt-broken", messages }), OpenAI.InternalServerError);
});

test("cut stream is noticed", async () => {
  await trio.fault({ kind: "cut_mid_stream", after_chunks: 4 }, "gpt-cut");
  const stream = await client.chat.completions.create({ model: "gpt-cut", messages, stream: true });
  await assert.rejects(collect(stream));
});

test("wrong key is an authentication error", async () => {
  const stranger = new OpenAI({ baseURL: `${trio.proxy}/v1`, apiKey: "tg_unknown", maxRetries: 0 });
  await assert.rejects(stranger.chat.completions.create({ model, messages }), OpenAI.AuthenticationError);
});

test("unknown model is not found", async () => {
  await assert.rejects(client.chat.completions.create({ model: "no-such-model", messages }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    return true;
  });
});
