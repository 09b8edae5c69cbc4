// Renders /v1/openapi.json. Text only: nothing of it is ever read as markup.
"use strict";

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Text in which `code` stands between backticks.
function prose(text) {
  return (text ?? "").split("`").map((part, i) => (i % 2 ? element("code", { textContent: part }) : part));
}

function row(...cells) {
  const [head, ...rest] = cells;
  const made = element("tr", {}, element("th", {}, head));
  rest.forEach((cell) => made.append(element("td", {}, ...[cell].flat())));
  return made;
}

function table(...rows) {
  return element("table", {}, element("tbody", {}, ...rows));
}

function schemaName(schema) {
  return schema?.$ref?.split("/").pop();
}

function typeOf(schema) {
  const name = schemaName(schema);
  if (name) return element("a", { href: `#schema-${name}`, textContent: name });
  if (schema?.type === "array") return element("span", {}, "list of ", typeOf(schema.items));
  const type = [schema?.type ?? "any"].flat().join(" or ");
  return schema?.contentEncoding ? `${type} (${schema.contentEncoding})` : type;
}

function bodies(content) {
  return Object.entries(content ?? {}).map(([mediaType, body]) =>
    element("div", {}, element("code", { textContent: mediaType }), body.schema ? element("span", {}, " ", typeOf(body.schema)) : null),
  );
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, answer]) => {
    const described = element("div", {});
    answer.description.split("; `").forEach((line, i) => described.append(element("div", {}, ...prose(i ? "`" + line : line))));
    return row(status, described, bodies(answer.content));
  });
  return table(...rows);
}

function operation(method, path, it) {
  const made = element("section", { className: "operation", id: it.operationId });
  made.append(
    element("h3", {}, element("span", { className: `method ${method}`, textContent: method.toUpperCase() }), " ",
      element("span", { className: "path", textContent: path })),
    element("p", { textContent: it.summary }),
  );
  if (it.description) made.append(element("p", {}, ...prose(it.description)));
  if (it.security) made.append(element("p", { textContent: "Looks at a bearer token." }));
  if (it.parameters?.length) {
    const rows = it.parameters.map((p) =>
      row(element("code", { textContent: p.name }), `${p.in}${p.required ? "" : ", optional"}`, prose(p.description),
        [element("code", { textContent: String(p.example ?? "") })]));
    made.append(element("h4", { textContent: "Parameters" }), table(...rows));
  }
  if (it.requestBody) made.append(element("h4", { textContent: "Body" }), ...bodies(it.requestBody.content));
  made.append(element("details", { open: false }, element("summary", { textContent: "Answers" }), answers(it.responses)));
  return made;
}

function schema(name, it) {
  const made = element("section", { className: "operation", id: `schema-${name}` });
  made.append(element("h3", { textContent: name }), element("p", { textContent: it.description ?? "" }));
  const required = new Set(it.required ?? []);
  const rows = Object.entries(it.properties ?? {}).map(([key, value]) =>
    row(element("code", { textContent: key }), [typeOf(value)], required.has(key) ? "required" : "", prose(value.description)));
  if (rows.length) made.append(table(...rows));
  (it.examples ?? []).forEach((example) =>
    made.append(element("pre", { textContent: typeof example === "string" ? example : JSON.stringify(example, null, 2) })));
  return made;
}

function chapter(title, parts, links) {
  const contents = document.getElementById("contents");
  contents.append(element("b", { textContent: title }), ...links.map(([id, text]) => element("a", { href: `#${id}`, textContent: text })));
  document.getElementById("operations").append(element("h2", { textContent: title }), ...parts);
}

async function show() {
  const api = await (await fetch("/v1/openapi.json")).json();
  document.getElementById("title").textContent = `${api.info.title} API ${api.info.version}`;
  document.getElementById("summary").textContent = api.info.summary;
  document.getElementById("about").replaceChildren(...prose(api.info.description));
  document.getElementById("operations").replaceChildren();
  const all = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, it]) => ({ method, path, it })));
  for (const tag of api.tags) {
    const mine = all.filter(({ it }) => it.tags.includes(tag.name));
    chapter(tag.description, mine.map(({ method, path, it }) => operation(method, path, it)),
      mine.map(({ it }) => [it.operationId, it.summary]));
  }
  const schemas = Object.entries(api.components.schemas);
  chapter("Shapes", schemas.map(([name, it]) => schema(name, it)), schemas.map(([name]) => [`schema-${name}`, name]));
}

show().catch((error) => {
  document.getElementById("operations").textContent = `The description could not be read: ${error}`;
});
