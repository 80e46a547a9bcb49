// Tokens: what the SDK shows, what the provider generated, and what stands in the usage event, are the same.

import assert from "node:assert/strict";
import { QUESTION } from "./answers.mjs";

export async function usage({ trio, caller, target, model }) {
  const cases = [["cached"], ["cached", "reasoningcontent"]];
  // Gemini's protocol has no word for what was written to a cache.
  if (target !== "gemini") cases.push(["cachewrite"]);
  for (const words of cases) {
    for (const way of ["ask", "stream"]) {
      const talk = caller.converse({ model: model(...words), thinks: words.length > 1 });
      const { usage: shown } = await talk[way]({ text: `${QUESTION} ${QUESTION}` });
      const billed = await trio.usage(caller.requestId);
      const written = billed.cache_write_5m + billed.cache_write_1h;
      const { prompt, cache_read: cached, output, reasoning } = billed;
      const all = { prompt, cached, written, output, reasoning, total: prompt + output };
      const expected = Object.fromEntries(Object.keys(shown).map((name) => [name, all[name]]));
      assert.deepEqual(shown, expected, `${way} ${words}`);
      assert.ok(words[0] !== "cached" || cached > 0);
      assert.ok(words.length === 1 || reasoning > 0);
    }
  }
}
