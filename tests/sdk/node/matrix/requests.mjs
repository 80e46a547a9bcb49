// What a target has no words for: named where it is approximated or left out, refused where the answer would mean
// something else. `docs/api/translation.md` is the contract.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { QUESTION } from "./answers.mjs";

// For each caller a request with members of its own, and what becomes of them at each target.
const ADAPTED = {
  chat: {
    own: { temperature: 1.7, seed: 7, user: "someone", prompt_cache_key: "key" },
    openai: {},
    compatible: {},
    anthropic: { max_tokens: "defaulted", temperature: "clamped", seed: "dropped", prompt_cache_key: "dropped" },
    gemini: { user: "dropped", prompt_cache_key: "dropped" },
  },
  responses: {
    own: { temperature: 1.7, service_tier: "flex", safety_identifier: "someone" },
    openai: {},
    compatible: { service_tier: "dropped", user: "dropped" },
    anthropic: { max_tokens: "defaulted", temperature: "clamped", service_tier: "dropped" },
    gemini: { service_tier: "dropped", user: "dropped" },
  },
  messages: {
    own: { top_k: 5, service_tier: "standard_only" },
    openai: { top_k: "dropped", service_tier: "dropped" },
    compatible: { top_k: "dropped", service_tier: "dropped" },
    anthropic: {},
    gemini: { service_tier: "dropped" },
  },
  generate: {
    own: { temperature: 1.7, seed: 7, topK: 5, mediaResolution: "MEDIA_RESOLUTION_LOW" },
    openai: { top_k: "dropped", "generationConfig.mediaResolution": "dropped" },
    compatible: { top_k: "dropped", "generationConfig.mediaResolution": "dropped" },
    anthropic: {
      max_tokens: "defaulted",
      temperature: "clamped",
      seed: "dropped",
      "generationConfig.mediaResolution": "dropped",
    },
    gemini: {},
  },
};

// Requests that mean something only where the caller's own protocol is spoken, and the word that the 400 names.
const REFUSED = {
  chat: [
    { own: { n: 2 }, names: "n", at: ["anthropic"] },
    { own: { logit_bias: { 50256: -100 } }, names: "logit_bias", at: ["anthropic", "gemini"] },
    { own: { web_search_options: {} }, names: "web_search_options", at: ["anthropic", "gemini"] },
  ],
  responses: [
    {
      own: { tools: [{ type: "web_search" }] },
      names: "web_search",
      param: "tools[0].type",
      at: ["anthropic", "gemini", "compatible"],
    },
    { own: { previous_response_id: "resp_1" }, names: "previous_response_id", at: ["anthropic", "gemini", "compatible"] },
  ],
  messages: [
    {
      own: { tools: [{ type: "web_search_20250305", name: "web_search" }] },
      names: "web_search",
      at: ["openai", "gemini", "compatible"],
    },
  ],
  generate: [
    { own: { tools: [{ googleSearch: {} }] }, names: "googleSearch", at: ["openai", "anthropic", "compatible"] },
    { own: { cachedContent: "cachedContents/1" }, names: "cachedContent", at: ["openai", "anthropic", "compatible"] },
  ],
};

export async function adapted({ caller, target, model }) {
  const { own, [target]: expected } = ADAPTED[caller.name];
  for (const way of ["ask", "stream"]) {
    const answer = await caller.converse({ model: model(), own })[way]({ text: QUESTION });
    assert.ok(answer.text.startsWith("Echo: "));
    assert.deepEqual(caller.adapted, expected);
  }
  return Object.keys(expected).length ? "adapted" : "ok";
}

export async function refused({ trio, caller, target, model }) {
  const here = REFUSED[caller.name].filter(({ at }) => at.includes(target));
  for (const { own, names, param: at = names } of here) {
    await assert.rejects(caller.converse({ model: model(), own }).ask({ text: QUESTION }), (error) => {
      assert.ok(error instanceof caller.errors.BadRequestError, `${error}`);
      const { status, message, param } = caller.failure(error);
      assert.equal(status, 400);
      assert.ok(message.includes(names), message);
      // OpenAI's errors have a place for it.
      if (caller.errors === OpenAI) assert.equal(param, at);
      return true;
    });
  }
  assert.deepEqual(here.length ? await trio.received() : [], []);
  return here.length ? "refused" : "ok";
}
