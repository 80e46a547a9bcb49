// Tokens: what the SDK shows, what the provider generated, and what stands in the usage event, are the same.

import assert from "node:assert/strict";
import { QUESTION } from "./answers.mjs";

export async function usage({ trio, caller, model }) {
  for (const words of [["cached"], ["cached", "reasoningcontent"], ["cachewrite"]]) {
    for (const way of ["ask", "stream"]) {
      const talk = caller.converse({ model: model(...words), thinks: words.length > 1 });
      const { usage: shown } = await talk[way]({ text: `${QUESTION} ${QUESTION}` });
      const billed = await trio.usage(caller.requestId);
      const written = billed.cache_write_5m + billed.cache_write_1h;
      const { prompt, cache_read: cached, output, reasoning } = billed;
      // Gemini's protocol tells nothing of what was written to a cache.
      if (!caller.shows.written) delete shown.written;
      const total = "total" in shown && { total: prompt + output };
      assert.deepEqual(shown, { prompt, cached, ...("written" in shown && { written }), output, reasoning, ...total }, `${way} ${words}`);
      assert.ok(words[0] !== "cached" || cached > 0);
      assert.ok(words.length === 1 || reasoning > 0);
    }
  }
}
