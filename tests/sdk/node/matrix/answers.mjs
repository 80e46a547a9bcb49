// What a model says: text, whole and streamed; calls of tools and their results; JSON; and what it is shown.

import assert from "node:assert/strict";
import { PNG } from "../trio.mjs";
import { said, strings } from "./bodies.mjs";

export const QUESTION = "How long is the coast of Norway?";
const object = (properties) => ({ type: "object", properties, required: Object.keys(properties), additionalProperties: false });
const COAST = object({ country: { type: "string" }, length_km: { type: "integer" } });
export const TOOLS = [
  { name: "weather", description: "The weather of a city", parameters: object({ city: { type: "string" } }) },
  { name: "population", description: "How many live in a country", parameters: object({ country: { type: "string" } }) },
];

export async function plain({ caller, target, model }) {
  const answer = await caller.converse({ model: model() }).ask({ text: QUESTION });
  assert.ok(answer.text.startsWith(`Echo: ${QUESTION}`), answer.text);
  assert.equal(answer.finish, caller.words.stop);
  // Anthropic alone must be told a limit.
  assert.deepEqual(caller.adapted, target === "anthropic" && caller.name !== "messages" ? { max_tokens: "defaulted" } : {});
}

export async function stream({ caller, model }) {
  const whole = await caller.converse({ model: model("chunks-7") }).ask({ text: QUESTION });
  const streamed = await caller.converse({ model: model("chunks-7") }).stream({ text: QUESTION });
  assert.ok(streamed.pieces.length > 1, `${streamed.pieces.length} pieces`);
  assert.equal(streamed.pieces.join(""), whole.text);
  assert.equal(streamed.text, whole.text);
  assert.equal(streamed.finish, caller.words.stop);
}

// Calls of the model, answered as an application does, until it has its say.
const callsIn = (way, count) => async ({ trio, caller, model }) => {
  const tools = TOOLS.slice(0, count);
  const conversation = caller.converse({ model: model(...(count > 1 ? ["parallel"] : [])), tools });
  const called = await conversation[way]({ text: QUESTION });
  assert.deepEqual(called.calls.map(({ name }) => name), tools.map(({ name }) => name));
  assert.equal(Object.values(called.calls[0].input).join(), "sample");
  // Gemini itself has no ids.
  const ids = called.calls.map(({ id }) => id);
  if (ids.some(Boolean)) assert.equal(new Set(ids).size, count);
  assert.equal(called.finish, caller.words.calls);

  const results = called.calls.map(({ id, name }) => ({ id, name, output: `the result of ${name}` }));
  const answer = await conversation[way]({ results });
  assert.ok(answer.text.startsWith("Echo: "), answer.text);
  assert.equal(answer.finish, caller.words.stop);
  const given = strings((await trio.received()).at(-1).body);
  for (const { output } of results) assert.equal(given.filter((text) => text.includes(output)).length, 1, output);
};

export const tools = callsIn("ask", 1);
export const parallel_tools = callsIn("ask", 2);
export const streamed_tools = callsIn("stream", 2);

export async function structured_output({ trio, caller, target, model }) {
  // And a model whose own rules the gateway knows.
  for (const name of [model(), `smart-${target}`]) {
    for (const way of ["ask", "stream"]) {
      const answer = await caller.converse({ model: name, schema: COAST })[way]({ text: QUESTION });
      assert.deepEqual(Object.keys(answer.parsed).toSorted(), ["country", "length_km"], `${way} ${name}`);
      assert.equal(typeof answer.parsed.country, "string");
      assert.ok(Number.isInteger(answer.parsed.length_km));
      assert.ok(JSON.stringify((await trio.received()).at(-1).body).includes("length_km"));
    }
  }
}

export async function image({ trio, caller, model }) {
  const answer = await caller.converse({ model: model() }).ask({ text: QUESTION, image: PNG });
  const [{ body, generated }] = await trio.received();
  assert.ok(strings(body).some((text) => text.endsWith(PNG)));
  assert.ok(generated.image_input > 0);
  assert.ok(answer.usage.prompt > generated.image_input);
}

// Instructions, earlier turns of both sides, all kinds of letters and a long text arrive as they were said.
export async function conversation({ trio, caller, model }) {
  const system = "Antworte „knapp“ — 简短地, \\ and \"in\" one\nline.";
  const long = `Ελληνικά 🚀 \u202f${"naïve 你好 \t".repeat(2000)}`;
  const talk = caller.converse({ model: model("bytes-900-unicode"), system });
  const first = await talk.ask({ text: long });
  assert.ok(first.text.includes('Größe 你好，世界 🚀🧪 naïve Ελληνικά \u202f— „quoted“ \t tab and "quotes" and \\ backslash.'));
  const second = await talk.stream({ text: "And in miles? 🧪" });
  assert.ok(second.text.includes("Größe 你好，世界 🚀🧪"));
  await talk.ask({ text: "Thank you." });

  const turns = [long, first.text, "And in miles? 🧪", second.text, "Thank you."];
  const arrived = said((await trio.received()).at(-1).body);
  assert.ok(arrived.includes(system));
  const places = turns.map((text) => arrived.indexOf(text));
  assert.ok(places.every((place, index) => place > (places[index - 1] ?? -1)), `${places}`);
}
