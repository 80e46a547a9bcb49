// Models that think: asked for in the caller's words, shown where the caller's protocol can, and signed.

import assert from "node:assert/strict";
import { QUESTION, TOOLS } from "./answers.mjs";
import { signatures } from "./bodies.mjs";

const THOUGHT = `Considering the request step by step: ${QUESTION}`;
// What the provider's signature is about; chat completions have none.
const SIGNED = { openai: "reasoning", anthropic: "thinking-of-the-block-it-came-with", gemini: "thought-call-weather" };

// Compatible providers show thoughts unasked, some of them.
const thinking = (target, model) => (target === "compatible" ? model("reasoningcontent") : model());

export async function reasoning({ trio, caller, target, model }) {
  const isShown = caller.shows.thoughts.includes(target);
  for (const way of ["ask", "stream"]) {
    const answer = await caller.converse({ model: thinking(target, model), thinks: true })[way]({ text: QUESTION });
    assert.equal(answer.thought, isShown ? THOUGHT : "");
    assert.ok(answer.text.startsWith(`Echo: ${QUESTION}`), answer.text);
    assert.ok(answer.usage.reasoning > 0);
    assert.equal(answer.usage.reasoning, (await trio.received()).at(-1).generated.reasoning);
  }
  return isShown ? "ok" : "not shown";
}

// The provider gets back what it signed, unmodified: it refuses anything else.
export async function reasoning_signature({ trio, caller, target, model }) {
  const isSigned = SIGNED[target] && !(target === "openai" && caller.name === "chat");
  const expected = isSigned ? [SIGNED[target]] : [];
  const cases = [
    { name: thinking(target, model), expected },
    { name: model("reasoningcontent-parallel"), count: 2, expected },
    // A model whose own rules the gateway knows.
    { name: `thinking-${target}`, expected },
  ];
  // Thinking that Anthropic alone can read stands behind the rest.
  if (target === "anthropic") cases.push({ name: model("redacted"), expected: [...expected, "redacted-thinking"] });
  for (const { name, count = 1, expected } of cases) {
    for (const way of ["ask", "stream"]) {
      const conversation = caller.converse({ model: name, thinks: true, tools: TOOLS.slice(0, count) });
      const { calls } = await conversation[way]({ text: QUESTION });
      assert.equal(calls.length, count);
      const results = calls.map(({ id, name }) => ({ id, name, output: "8" }));
      const answer = await conversation[way]({ results });
      assert.equal(answer.finish, caller.words.stop);
      assert.deepEqual(signatures((await trio.received()).at(-1).body), expected, `${way} ${name}`);
    }
  }
  return isSigned ? "ok" : "unsigned";
}
