// What goes wrong: at the provider, in the middle of an answer, and at the client.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { QUESTION } from "./answers.mjs";

// Keys cool down by model: each case has models of its own.
const own = (model, caller, ...words) => model(...words, "for", caller.name);

// Both ways, whole and as a stream, fail alike, and before a stream has begun.
async function fails({ caller, model }, check) {
  for (const open of [(talk) => talk.ask({ text: QUESTION }), (talk) => talk.open({ text: QUESTION })]) {
    await assert.rejects(open(caller.converse({ model })), check);
  }
}

export async function rate_limited({ trio, caller, model: named }) {
  const model = own(named, caller, "limited");
  await trio.fault({ kind: "status", status: 429, retry_after: "7" }, model);
  await fails({ caller, model }, (error) => {
    assert.ok(error instanceof caller.errors.RateLimitError, `${error}`);
    const { status, retryAfter } = caller.failure(error);
    assert.equal(status, 429);
    assert.ok(retryAfter >= 1 && retryAfter <= 7, `${retryAfter}`);
    return true;
  });
}

export async function overloaded({ trio, caller, target, model: named }) {
  const model = own(named, caller, "overloaded");
  await trio.fault({ kind: "status", status: target === "anthropic" ? 529 : 503 }, model);
  await fails({ caller, model }, (error) => {
    assert.ok(error instanceof caller.errors.InternalServerError, `${error}`);
    assert.equal(caller.failure(error).status, caller.name === "messages" ? 529 : 503);
    return true;
  });
}

export async function midstream_error({ trio, caller, model: named }) {
  for (const kind of ["error_mid_stream", "cut_mid_stream"]) {
    const model = own(named, caller, kind.split("_")[0], "gap-60");
    await trio.fault({ kind, after_chunks: 6 }, model);
    const pieces = [];
    await assert.rejects(async () => {
      for await (const piece of await caller.converse({ model }).open({ text: QUESTION })) pieces.push(piece);
    }, kind);
    assert.ok(pieces.join("").startsWith("Echo: "), kind);
  }
}

// The provider stops at once, and what it has generated until then is on the bill.
export async function client_abort({ trio, caller, target, model }) {
  const controller = new AbortController();
  const talk = caller.converse({ model: model("chunks-100-gap-40-bytes-4000") });
  const stream = await talk.open({ text: QUESTION }, controller.signal);
  const pieces = [];
  try {
    for await (const piece of stream) if (pieces.push(piece) === 3) controller.abort();
  } catch (error) {
    assert.ok(controller.signal.aborted, `${error}`);
  }
  assert.ok(pieces.length < 10);
  const request = await leaving(trio, 1000);
  assert.equal(request.completed, false);
  const { outcome, usage } = await trio.event(caller.requestId);
  assert.equal(outcome, "client_closed");
  // OpenAI tells its figures at the end alone: until then there is an estimate, of a token for each event.
  assert.equal(usage.source, ["openai", "compatible"].includes(target) ? "estimated" : "partial");
  assert.ok(usage.output >= pieces.length && usage.output <= request.generated.output, `${usage.output}`);
}

// The provider's last request, as soon as it knows that nobody listens.
async function leaving(trio, withinMs) {
  for (const deadline = Date.now() + withinMs; ; await sleep(20)) {
    const request = (await trio.received()).at(-1);
    if (request.client_gone) return request;
    assert.ok(Date.now() < deadline, "the provider's connection is still open");
  }
}
