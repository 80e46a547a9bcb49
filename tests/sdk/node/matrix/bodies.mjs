// What is looked for in the requests that the provider received.

// All texts of a JSON value, in their order.
export function strings(value) {
  if (typeof value === "string") return [value];
  return value && typeof value === "object" ? Object.values(value).flatMap(strings) : [];
}

// What was said in a request: the texts without their roles and types.
export const said = (body) =>
  strings(JSON.parse(JSON.stringify(body, (name, value) => (NAMES.has(name) ? undefined : value)))).join("");

const NAMES = new Set(["model", "role", "type", "id", "status", "phase", "include"]);

// What the provider's signatures among them sign. They are checked by the provider itself; all of them read
// `simulated-<what they sign>-<two hashes>` in base64.
export function signatures(value) {
  return strings(value).flatMap((text) => {
    const [, signed] = /^simulated-(.+)-[0-9a-f]{8}-[0-9a-f]{8}$/.exec(Buffer.from(text, "base64").toString()) ?? [];
    return signed ? [signed] : [];
  });
}
