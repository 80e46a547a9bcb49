// Every official SDK reaches every provider: each caller's protocol against each kind of provider, scenario by scenario.
// Assertions are about what the SDKs' own objects hold, and about what the provider received.

import { after, test } from "node:test";
import * as answers from "./matrix/answers.mjs";
import * as besides from "./matrix/besides.mjs";
import { Chat } from "./matrix/chat.mjs";
import * as endings from "./matrix/endings.mjs";
import * as failures from "./matrix/failures.mjs";
import { Generate } from "./matrix/generate.mjs";
import { Messages } from "./matrix/messages.mjs";
import { Report } from "./matrix/report.mjs";
import * as requests from "./matrix/requests.mjs";
import { Responses } from "./matrix/responses.mjs";
import * as thoughts from "./matrix/thoughts.mjs";
import * as usage from "./matrix/usage.mjs";
import { startTrio } from "./trio.mjs";

const SCENARIOS = [answers, thoughts, endings, failures, usage, requests]
  .flatMap((family) => Object.entries(family))
  .filter(([, member]) => typeof member === "function");
const TARGETS = ["openai", "anthropic", "gemini", "compatible"];

const trio = await startTrio();
const report = new Report();
after(async () => {
  await report.write();
  await trio.stop();
});

const [chat, responses, messages, generate] = [Chat, Responses, Messages, Generate].map((Caller) => new Caller(trio));

// Names of models lead to the target, and say what the provider shall do.
const named = (target) => (...words) => ["to", target, "sim-strict", ...words].join("-");

for (const caller of [chat, responses, messages, generate]) {
  for (const target of TARGETS) {
    const context = { trio, caller, target, model: named(target) };
    for (const [scenario, run] of SCENARIOS) {
      test(`${caller.name} to ${target}: ${scenario}`, async () => {
        await trio.forget();
        await report.record(caller.name, target, scenario, () => run(context));
      });
    }
  }
}

for (const caller of [responses, messages, generate]) {
  for (const target of TARGETS) {
    test(`${caller.name} to ${target}: tokens are counted`, async () => {
      await trio.forget();
      await besides.count({ trio, caller, target, model: named(target) });
    });
  }
}

for (const target of ["openai", "gemini"]) {
  test(`OpenAI's SDK to ${target}: embeddings`, () => besides.openaiEmbeddings({ caller: chat, target }));
  test(`Google's SDK to ${target}: embeddings`, () => besides.geminiEmbeddings({ caller: generate, target }));
}

for (const caller of [chat, messages, generate]) {
  test(`${caller.name}: models of every provider are listed`, () => besides.models({ caller }));
}
