// What became of each case, for the table of the documentation: `target/matrix/node.json`.

import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const PLACE = fileURLToPath(new URL("../../../../target/matrix/node.json", import.meta.url));

export class Report {
  cases = [];

  // Runs a case; its outcome is the word that it answers with, `ok` by default.
  async record(caller, target, scenario, run) {
    const entry = { caller, target, scenario, outcome: "failed" };
    this.cases.push(entry);
    entry.outcome = (await run()) ?? "ok";
  }

  async write() {
    await mkdir(new URL(".", `file://${PLACE}`), { recursive: true });
    await writeFile(PLACE, `${JSON.stringify(this.cases, null, 1)}\n`);
  }
}
