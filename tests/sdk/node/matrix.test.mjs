// Every official SDK reaches every provider: each caller's protocol against each kind of provider, scenario by scenario.
// Assertions are about what the SDKs' own objects hold, and about what the provider received.

import { after, test } from "node:test";
import * as answers from "./matrix/answers.mjs";
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

const scenarios = [answers, thoughts, endings, failures, usage, requests]
  .flatMap((family) => Object.entries(family))
  .filter(([, member]) => typeof member === "function");
const callers = [Chat, Responses, Messages, Generate];
const targets = ["openai", "anthropic", "gemini", "compatible"];

const trio = await startTrio();
const report = new Report();
after(async () => {
  await report.write();
  await trio.stop();
});

for (const Caller of callers) {
  const caller = new Caller(trio);
  for (const target of targets) {
    // Names of models lead to the target, and say what the provider shall do.
    const model = (...words) => ["to", target, "sim-strict", ...words].join("-");
    for (const [scenario, run] of scenarios) {
      test(`${caller.name} to ${target}: ${scenario}`, async () => {
        await trio.forget();
        await report.record(caller.name, target, scenario, () => run({ trio, caller, target, model }));
      });
    }
  }
}
