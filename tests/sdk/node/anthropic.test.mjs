// The official `@anthropic-ai/sdk` package: base URL and key are all that is changed.

import Anthropic from "@anthropic-ai/sdk";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LISTED, PNG, collect, startTrio } from "./trio.mjs";

const question = {
  model: "claude-sonnet-4-6",
  max_tokens: 256,
  messages: [{ role: "user", content: "How long is the coast of Norway?" }],
};
const tools = [
  {
    name: "weather",
    description: "The weather of a city",
    input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];

let trio, client;
before(async () => {
  trio = await startTrio();
  client = new Anthropic({ baseURL: trio.proxy, apiKey: trio.access_key, maxRetries: 0 });
});
after(() => trio?.stop());

test("plain answer and its usage", async () => {
  const { data, response } = await client.messages.create(question).withResponse();
  assert.ok(data.content[0].text);
  assert.equal(data.stop_reason, "end_turn");
  const usage = await trio.usage(response.headers.get("x-request-id"));
  assert.equal(data.usage.input_tokens, usage.input_uncached);
  assert.equal(data.usage.output_tokens, usage.output);
});

test("stream and its usage", async () => {
  const { data, response } = await client.messages.create({ ...question, stream: true }).withResponse();
  const events = await collect(data);
  assert.equal(events.at(-1).type, "message_stop");
  const usage = await trio.usage(response.headers.get("x-request-id"));
  assert.equal(events.findLast((event) => event.type === "message_delta").usage.output_tokens, usage.output);
});

test("stream helper puts the message together", async () => {
  const message = await client.messages.stream(question).finalMessage();
  assert.ok(message.content[0].text);
});

test("tool call, plain", async () => {
  const answer = await client.messages.create({ ...question, tools, tool_choice: { type: "any" } });
  assert.equal(answer.stop_reason, "tool_use");
  const call = answer.content.find((block) => block.type === "tool_use");
  assert.equal(call.name, "weather");
  assert.ok("city" in call.input);
});

test("tool call, streamed", async () => {
  const answer = await client.messages.stream({ ...question, tools, tool_choice: { type: "any" } }).finalMessage();
  assert.ok("city" in answer.content.find((block) => block.type === "tool_use").input);
});

test("image reaches the provider", async () => {
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } };
  const content = [image, { type: "text", text: "What is this?" }];
  const answer = await client.messages.create({ ...question, messages: [{ role: "user", content }] });
  assert.ok(answer.content[0].text);
});

test("token count", async () => {
  const { model, messages } = question;
  assert.ok((await client.messages.countTokens({ model, messages })).input_tokens > 0);
});

test("message batches", async () => {
  const requests = ["one", "two"].map((name) => ({ custom_id: name, params: question }));
  const created = [await client.messages.batches.create({ requests }), await client.messages.batches.create({ requests })];
  const [{ id }] = created;
  while ((await client.messages.batches.retrieve(id)).processing_status !== "ended");
  // The SDK fetches the address that the batch names.
  const results = await collect(await client.messages.batches.results(id));
  assert.deepEqual(results.map(({ custom_id, result }) => [custom_id, result.type]), [["one", "succeeded"], ["two", "succeeded"]]);
  const listed = (await collect(client.messages.batches.list({ limit: 1 }))).map((batch) => batch.id);
  assert.ok(created.every((batch) => listed.includes(batch.id)));
  assert.equal((await client.messages.batches.delete(id)).id, id);
});

test("models are listed", async () => {
  const names = (await client.models.list({ limit: 1000 })).data.map(({ id }) => id);
  assert.ok(LISTED.every((name) => names.includes(name)));
  // The SDK asks for the following pages by itself.
  assert.deepEqual((await collect(client.models.list({ limit: 3 }))).map(({ id }) => id), names);
});

test("model of any provider is found", async () => {
  assert.equal((await client.models.retrieve("gpt-4.1")).display_name, "gpt-4.1");
  await assert.rejects(client.models.retrieve("no-such-model"), Anthropic.NotFoundError);
});

test("rate limit of every key is a rate limit error", async () => {
  await trio.fault({ kind: "status", status: 429, retry_after: "1" }, "claude-limited");
  await assert.rejects(client.messages.create({ ...question, model: "claude-limited" }), Anthropic.RateLimitError);
});

test("overload of every key is 529", async () => {
  await trio.fault({ kind: "status", status: 529 }, "claude-overloaded");
  await assert.rejects(client.messages.create({ ...question, model: "claude-overloaded" }), (error) => {
    assert.equal(error.status, 529);
    assert.equal(error.error.error.type, "overloaded_error");
    return true;
  });
});

test("failure of every key is a server error", async () => {
  await trio.fault({ kind: "status", status: 500 }, "claude-broken");
  await assert.rejects(client.messages.create({ ...question, model: "claude-broken" }), Anthropic.InternalServerError);
});

test("cut stream is noticed", async () => {
  await trio.fault({ kind: "cut_mid_stream", after_chunks: 4 }, "claude-cut");
  const stream = await client.messages.create({ ...question, model: "claude-cut", stream: true });
  await assert.rejects(collect(stream));
});

test("wrong key is an authentication error", async () => {
  const stranger = new Anthropic({ baseURL: trio.proxy, apiKey: "tg_unknown", maxRetries: 0 });
  await assert.rejects(stranger.messages.create(question), Anthropic.AuthenticationError);
});

test("unknown model is not found", async () => {
  await assert.rejects(client.messages.create({ ...question, model: "no-such-model" }), Anthropic.NotFoundError);
});
