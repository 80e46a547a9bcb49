// The three processes that a suite runs against, and what a test asks them besides the SDK's calls.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const LAUNCHER = process.env.TOLLGATE_TRIO ?? fileURLToPath(new URL("../../../target/debug/trio", import.meta.url));
const TOKENS = ["input_uncached", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"];

// A red pixel.
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

// Some of the models that the simulated provider lists in its three protocols.
export const LISTED = ["gpt-4.1", "claude-opus-5", "gemini-2.5-flash", "gemini-embedding-001"];

export async function startTrio() {
  const launcher = spawn(LAUNCHER, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(launcher, "exit");
  const lines = createInterface({ input: launcher.stdout });
  const [line] = await Promise.race([
    once(lines, "line"),
    ended.then(() => assert.fail("the launcher ended before it was ready")),
  ]);
  const addresses = JSON.parse(line);

  async function call(method, url, { body, token } = {}) {
    const headers = { ...(body && { "content-type": "application/json" }), ...(token && { authorization: `Bearer ${token}` }) };
    return fetch(url, { method, headers, body: body && JSON.stringify(body) });
  }

  // What the provider received of the gateway, oldest first, with its `body` read. The control plane looks for lists of
  // models by itself.
  async function received() {
    const all = await (await call("GET", `${addresses.provider}/__sim/requests?after=0`)).json();
    const requests = all.filter(({ method, target }) => !(method === "GET" && /\/models(\?|$)/.test(target)));
    return requests.map(({ body_base64: body, ...request }) => ({ ...request, body: read(Buffer.from(body, "base64")) }));
  }

  // The usage event of a request, as soon as it is there.
  async function event(requestId) {
    assert.ok(requestId, "an answer without x-request-id");
    for (const deadline = Date.now() + 10_000; ; await sleep(50)) {
      const url = `${addresses.admin}/api/v1/usage/events/${requestId}`;
      const response = await call("GET", url, { token: addresses.access_token });
      if (response.ok) return response.json();
      assert.ok(response.status === 404 && Date.now() < deadline, `${url} answered ${response.status}`);
    }
  }

  return {
    ...addresses,
    received,
    event,

    // The provider forgets what it received, and its faults.
    async forget() {
      for (const path of ["requests", "faults"]) {
        const response = await call("DELETE", `${addresses.provider}/__sim/${path}`);
        assert.ok(response.ok, `${path} were answered ${response.status}`);
      }
    },

    // From now on, calls of this model meet the fault, whichever key they are made with.
    async fault(fault, model) {
      const response = await call("POST", `${addresses.provider}/__sim/faults`, { body: { match: { model }, fault } });
      assert.ok(response.ok, `fault was answered ${response.status}`);
    },

    // The tokens of a request's event, after they were compared with what the provider says it generated.
    async usage(requestId) {
      const { usage, outcome } = await event(requestId);
      const { generated } = (await received()).at(-1);
      for (const field of TOKENS) assert.equal(usage[field], generated[field], field);
      assert.equal(usage.source, "provider");
      assert.equal(outcome, "ok");
      const prompt = usage.input_uncached + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h;
      return { ...usage, prompt };
    },

    async stop() {
      launcher.stdin.end();
      await ended;
    },
  };
}

function read(body) {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

// All items of an asynchronous iterable.
export async function collect(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}
