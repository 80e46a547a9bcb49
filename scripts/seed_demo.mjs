// Configures a fresh control plane through its REST API as an operator would, and prints requests to copy. What is
// there already from an earlier run is found by its name and kept.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const { ADMIN_URL, PROXY_URL, PROVIDER_URL, DATA_DIR, SETUP_TOKEN } = process.env;
const stateFile = join(DATA_DIR, "demo.json");
const kinds = [
  { kind: "openai", models: ["gpt-*", "text-embedding-*"] },
  { kind: "anthropic", models: ["claude-*"] },
  { kind: "gemini", models: ["gemini-*"] },
];
// The administrator's password and the access key's secret: the control plane never shows either again.
const state = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, "utf8")) : {};
let accessToken;

function remember(changes) {
  Object.assign(state, changes);
  writeFileSync(stateFile, JSON.stringify(state, null, 2), { mode: 0o600 });
}

async function call(method, path, body) {
  const headers = { "content-type": "application/json", ...(accessToken && { authorization: `Bearer ${accessToken}` }) };
  const response = await fetch(`${ADMIN_URL}/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Error(`${method} /api/v1/${path} answered ${response.status}: ${answer.detail ?? answer.title ?? ""}`);
  }
  return answer;
}

async function signIn() {
  // Written before it is used: a password that is lost locks the data up.
  if (!state.email) remember({ email: "demo@example.com", password: randomBytes(18).toString("base64url") });
  const { email, password } = state;
  const session = await call("POST", "auth/login", { email, password }).catch(async () => {
    await call("POST", "setup", { token: SETUP_TOKEN, email, password, name: "Demo" });
    return call("POST", "auth/login", { email, password });
  });
  accessToken = session.access_token;
}

async function ensure(collection, name, body) {
  for (let after = ""; ; ) {
    const { items, next } = await call("GET", `${collection}?limit=100${after}`);
    const found = items.find((item) => item.name === name);
    if (found) return found.id;
    if (!next) break;
    after = `&after=${encodeURIComponent(next)}`;
  }
  return (await call("POST", collection, { name, ...body })).id;
}

async function configure() {
  const routes = [];
  for (const { kind, models } of kinds) {
    const provider_id = await ensure("providers", `Simulated ${kind}`, { kind, base_url: PROVIDER_URL });
    const pool_id = await ensure("key-pools", `Demo ${kind}`, { provider_id });
    for (const number of [1, 2]) {
      const secret = `sk-demo-${kind}-${number}-not-a-secret`;
      await ensure("upstream-keys", `Demo ${kind} ${number}`, { pool_id, secret, weight: 1 });
    }
    routes.push({ models, targets: [{ pool_id }] });
  }
  const service_id = await ensure("services", "Demo", { slug: "demo", strategy: "round_robin", routes });
  if (!state.access_key) {
    const { secret } = await call("POST", "access-keys", { service_id, name: `Demo ${new Date().toISOString()}` });
    remember({ access_key: secret });
  }
}

const question = "How long is the coast of Norway?";
const requests = [
  {
    title: "OpenAI",
    path: "/v1/chat/completions",
    headers: { authorization: "Bearer $KEY" },
    body: { model: "gpt-4.1", messages: [{ role: "user", content: question }] },
  },
  {
    title: "Anthropic, streamed",
    path: "/v1/messages",
    headers: { "x-api-key": "$KEY", "anthropic-version": "2023-06-01" },
    body: {
      model: "claude-sonnet-4-6",
      max_tokens: 256,
      stream: true,
      messages: [{ role: "user", content: question }],
    },
  },
  {
    title: "Gemini",
    path: "/v1beta/models/gemini-2.5-flash:generateContent",
    headers: { "x-goog-api-key": "$KEY" },
    body: { contents: [{ role: "user", parts: [{ text: question }] }] },
  },
];

function curl({ path, headers, body }, key) {
  const lines = [`curl -sS ${PROXY_URL}${path}`, `-H 'content-type: application/json'`];
  for (const [name, value] of Object.entries(headers)) lines.push(`-H '${name}: ${value.replace("$KEY", key)}'`);
  lines.push(`-d '${JSON.stringify(body)}'`);
  return lines.join(" \\\n    ");
}

// The printed requests work from the moment they are printed.
async function waitForProxy() {
  const { path, headers, body } = requests[0];
  const filled = Object.fromEntries(Object.entries(headers).map(([n, v]) => [n, v.replace("$KEY", state.access_key)]));
  for (const deadline = Date.now() + 15_000; ; await sleep(100)) {
    const response = await fetch(PROXY_URL + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...filled },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (response.ok) return;
    if (Date.now() > deadline) throw new Error(`the proxy answered ${response.status}: ${text}`);
  }
}

async function main() {
  await signIn();
  await configure();
  await waitForProxy();
  const shown = requests.map((request) => `  # ${request.title}\n  ${curl(request, state.access_key)}`);
  console.log(`
Tollgate is running, in front of a simulated provider at ${PROVIDER_URL}.

  data plane      ${PROXY_URL}
  control plane   ${ADMIN_URL}/api/v1   (described at /api/openapi.json)
  administrator   ${state.email}, password ${state.password}
  access key      ${state.access_key}

Try:

${shown.join("\n\n")}

  # What was used
  curl -sS '${ADMIN_URL}/api/v1/usage/events?limit=3' -H "authorization: Bearer $(
    curl -sS ${ADMIN_URL}/api/v1/auth/login -H 'content-type: application/json' \\
      -d '{"email":"${state.email}","password":"${state.password}"}' | grep -oE '"access_token": *"[^"]*"' | cut -d'"' -f4)"`);
}

main().catch((error) => {
  console.error(`tollgate: ${error.message}`);
  if (state.email) console.error(`If ${DATA_DIR} is left over from something else, remove it and start again.`);
  process.exit(1);
});
