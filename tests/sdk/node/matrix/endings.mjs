// Why a model stops, in the caller's words.

import assert from "node:assert/strict";
import { QUESTION } from "./answers.mjs";

const ways = ["ask", "stream"];

export async function max_tokens({ caller, model }) {
  for (const way of ways) {
    const answer = await caller.converse({ model: model(), maxTokens: 16 })[way]({ text: QUESTION });
    assert.equal(answer.finish, caller.words.length);
    assert.ok(answer.text.startsWith("Echo: ") && answer.text.length <= 16 * 4, answer.text);
    assert.equal(answer.usage.output, 16);
  }
}

export async function stop_sequence({ caller, target, model }) {
  if (!caller.shows.stop) return withoutStopSequences({ caller, target, model });
  for (const way of ways) {
    const answer = await caller.converse({ model: model(), stop: ["of Norway"] })[way]({ text: QUESTION });
    assert.equal(answer.text.trim(), "Echo: How long is the coast");
    // Anthropic alone tells which one it was.
    const isTold = caller.name === "messages" && target === "anthropic";
    assert.equal(answer.finish, isTold ? caller.words.stopSequence : caller.words.stop);
    if (isTold) assert.equal(answer.stoppedBy, "of Norway");
  }
}

// The Responses API has no such member: OpenAI refuses it, elsewhere it is left out and named.
async function withoutStopSequences({ caller, target, model }) {
  const asked = caller.converse({ model: model(), own: { stop: ["of Norway"] } }).ask({ text: QUESTION });
  if (target === "openai") {
    await assert.rejects(asked, caller.errors.BadRequestError);
    return "refused";
  }
  const { text } = await asked;
  assert.ok(text.startsWith(`Echo: ${QUESTION}`));
  assert.equal(caller.adapted.stop, "dropped");
  return "adapted";
}

// The model says no; a filter stops the answer in its middle; a filter stops the prompt.
export async function refusal({ caller, target, model }) {
  // Anthropic and Gemini have filters, and no words that a model refuses with.
  const says = ["openai", "compatible"].includes(target);
  for (const way of ways) {
    const refused = await caller.converse({ model: model("refusal") })[way]({ text: QUESTION });
    assert.equal(refused.finish, says ? caller.words.refused : caller.words.filtered);
    if (says) assert.match(refused.refusal ?? refused.text, /can't help with that/);

    const whole = await caller.converse({ model: model() }).ask({ text: QUESTION });
    const filtered = await caller.converse({ model: model("filtered") })[way]({ text: QUESTION });
    assert.equal(filtered.finish, caller.words.filtered);
    // A filter's explanation is no text of the model.
    assert.ok(filtered.text && filtered.text.length < whole.text.length && whole.text.startsWith(filtered.text));

    const blocked = caller.converse({ model: model("blocked") })[way]({ text: QUESTION });
    if (target !== "gemini") {
      await assert.rejects(blocked, caller.errors.BadRequestError);
    } else if (caller.name === "generate") {
      assert.equal((await blocked).blocked, "PROHIBITED_CONTENT");
    } else {
      assert.equal((await blocked).finish, caller.words.filtered);
    }
  }
}
