// What is asked besides conversations: counts of tokens, embeddings, and which models there are.

import assert from "node:assert/strict";
import { collect } from "../trio.mjs";
import { QUESTION } from "./answers.mjs";

const COUNTED_AT = { openai: "/input_tokens", anthropic: "/count_tokens", gemini: ":countTokens" };

// A provider that counts is asked in its own way; where there is none, the gateway estimates.
export const counts = {
  responses: ({ client }, model) =>
    client.responses.inputTokens.count({ model, input: QUESTION }).then((count) => count.input_tokens),
  messages: ({ client }, model) =>
    client.messages
      .countTokens({ model, messages: [{ role: "user", content: QUESTION }] })
      .then((count) => count.input_tokens),
  generate: ({ client }, model) => client.models.countTokens({ model, contents: QUESTION }).then((count) => count.totalTokens),
};

export async function count({ trio, caller, target, model }) {
  const tokens = await counts[caller.name](caller, model());
  assert.ok(tokens >= QUESTION.length / 4 && tokens < QUESTION.length, `${tokens}`);
  const asked = (await trio.received()).map((request) => request.target);
  const place = COUNTED_AT[target];
  assert.ok(place ? asked.length === 1 && asked[0].includes(place) : asked.length === 0, `${asked}`);
}

// OpenAI's SDK asks for base64 by itself, and reads it.
export async function openaiEmbeddings({ caller: { client }, target }) {
  const model = `vectors-${target}`;
  const input = ["one", "another"];
  const [usual, plain] = await Promise.all([
    client.embeddings.create({ model, input }),
    client.embeddings.create({ model, input, encoding_format: "float" }),
  ]);
  assert.deepEqual(usual.data.map(({ index }) => index), [0, 1]);
  for (const [index, { embedding }] of usual.data.entries()) {
    assert.deepEqual([...embedding], plain.data[index].embedding.map(Math.fround));
    assert.ok(embedding.length > 1);
  }
  assert.notDeepEqual([...usual.data[0].embedding], [...usual.data[1].embedding]);
  // Bytes of the same protocol are left alone: there it is the name that the provider knows.
  if (target !== "openai") assert.equal(plain.model, model);
}

export async function geminiEmbeddings({ caller: { client }, target }) {
  const model = `vectors-${target}`;
  const { embeddings } = await client.models.embedContent({ model, contents: ["one", "another"] });
  assert.equal(embeddings.length, 2);
  assert.ok(embeddings.every(({ values }) => values.length > 1));
  assert.notDeepEqual(embeddings[0].values, embeddings[1].values);
  const sized = await client.models.embedContent({ model, contents: "one", config: { outputDimensionality: 8 } });
  assert.deepEqual(sized.embeddings.map(({ values }) => values.length), [8]);
}

export async function models({ caller: { client } }) {
  const names = (await collect(await client.models.list())).map((model) => model.id ?? model.name.replace(/^models\//, ""));
  for (const name of ["smart-openai", "smart-anthropic", "smart-gemini", "smart-compatible"]) {
    assert.ok(names.includes(name), `${name} in ${names}`);
  }
}
