// Shows the API's document. All text is set as text, never as markup.

const element = (name, text, attributes = {}) => {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

const resolve = (api, schema) => {
  const path = schema?.$ref?.split("/").slice(1);
  return path ? path.reduce((value, key) => value?.[key], api) : schema;
};

// An example value of a schema; references are followed a few levels deep.
const example = (api, schema, depth = 0) => {
  const known = resolve(api, schema) ?? {};
  if (known.example !== undefined) return known.example;
  if (known.enum) return known.enum[0];
  if (depth > 6) return "…";
  if (known.allOf) return Object.assign({}, ...known.allOf.map((part) => example(api, part, depth + 1)));
  const choice = (known.oneOf ?? known.anyOf)?.find((part) => part.type !== "null");
  if (choice) return example(api, choice, depth + 1);
  const type = Array.isArray(known.type) ? known.type.find((name) => name !== "null") : known.type;
  if (type === "array") return [example(api, known.items, depth + 1)];
  if (type === "object" || known.properties) {
    const fields = Object.entries(known.properties ?? {});
    return Object.fromEntries(fields.map(([name, field]) => [name, example(api, field, depth + 1)]));
  }
  if (type === "integer" || type === "number") return 0;
  if (type === "boolean") return false;
  return known.format ?? "text";
};

const body = (api, title, content) => {
  const part = document.createDocumentFragment();
  for (const [type, { schema }] of Object.entries(content ?? {})) {
    part.append(element("h4", `${title} (${type})`));
    if (schema) part.append(element("pre", JSON.stringify(example(api, schema), null, 2)));
  }
  return part;
};

const parameters = (list) => {
  const table = element("table");
  for (const { name, in: place, required, description } of list) {
    const row = element("tr");
    row.append(element("td", name), element("td", place + (required ? ", required" : "")), element("td", description ?? ""));
    table.append(row);
  }
  return table;
};

const operation = (api, path, method, details) => {
  const box = element("details");
  const summary = element("summary");
  summary.append(element("span", method, { class: "method" }), element("code", path));
  box.append(summary, element("p", [details.summary, details.description].filter(Boolean).join(" ")));
  if (details.parameters?.length) box.append(element("h4", "Parameters"), parameters(details.parameters));
  box.append(body(api, "Request", details.requestBody?.content));
  for (const [status, response] of Object.entries(details.responses ?? {})) {
    if (status !== "default") box.append(body(api, `Answer ${status}`, response.content));
  }
  return box;
};

const show = (api, filter) => {
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, details] of Object.entries(item)) {
      const text = `${method} ${path} ${details.summary ?? ""}`.toLowerCase();
      if (!text.includes(filter.toLowerCase())) continue;
      const tag = details.tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(api, path, method, details));
    }
  }
  const main = document.getElementById("operations");
  main.replaceChildren();
  for (const [tag, operations] of groups) main.append(element("h2", tag), ...operations);
  if (!groups.size) main.append(element("p", "Nothing matches."));
};

fetch("/api/openapi.json")
  .then((answer) => answer.json())
  .then((api) => {
    const filter = document.getElementById("filter");
    filter.addEventListener("input", () => show(api, filter.value));
    show(api, "");
  })
  .catch((error) => document.getElementById("operations").replaceChildren(element("p", `Not loaded: ${error}`)));
