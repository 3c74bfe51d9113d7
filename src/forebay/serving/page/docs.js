// The documentation: /openapi.json as a page on which every operation can be tried.

import { copyText, duration, element, find } from "./dom.js";
import { AskError, curlLine, parse, requestForJson, send } from "./request.js";

const GROUPS = ["Predict", "Models", "Server", "Page"];
const JSON_TYPE = "application/json";
const SHOWN_CHARACTERS = 20000; // of an answer

let documented = null; // the document that is shown
let ids = 0;
const newId = () => `field-${++ids}`;

function show(openapi) {
  documented = openapi;
  find("title").textContent = `${openapi.info.title} ${openapi.info.version}`;
  find("description").textContent = openapi.info.description;
  const all = Object.entries(openapi.paths).flatMap(([path, item]) =>
    Object.entries(item).filter(([method]) => method !== "head").map(([method, operation]) => ({ path, method, operation, hasHead: Boolean(item.head) })),
  );
  const groups = GROUPS.map((name) => [name, all.filter(({ operation }) => operation.tags?.[0] === name)]).filter(([, found]) => found.length);
  find("operations").replaceChildren(...groups.flatMap(([name, found]) => [element("h2", { class: "group" }, name), ...found.map(operationNode)]));
  find("operations").querySelector("details").open = true;
}

function operationNode(each) {
  const { path, method, operation } = each;
  const node = element(
    "details",
    { class: "operation" },
    element("summary", {}, element("span", { class: `method ${method}` }, method.toUpperCase()), element("code", {}, path), element("span", { class: "soft" }, operation.summary)),
  );
  node.addEventListener("toggle", () => node.children.length === 1 && node.append(inside(each)));
  return node;
}

function inside({ path, method, operation, hasHead }) {
  const parameters = (operation.parameters ?? []).map(({ name, schema, examples = {} }) => ({ name, examples, field: choice(schema.enum) }));
  const body = operation.requestBody ? new Body(operation.requestBody.content) : null;
  const curl = element("code");
  const copied = element("span", { class: "soft small", role: "status" });
  const answer = element("div", { class: "answer", role: "status" });
  const request = () => {
    const filled = parameters.reduce((text, { name, field }) => text.replace(`{${name}}`, encodeURIComponent(field.value)), path);
    return body ? body.request(filled) : { path: filled, method: method.toUpperCase() };
  };
  const refresh = () => {
    curl.textContent = curlLine(request());
    copied.textContent = "";
  };
  const model = parameters.find(({ name }) => name === "model_name");
  const showModel = () => {
    for (const { field, examples } of parameters) field.value = examples[model?.field.value]?.value ?? field.value;
    body?.showExample(model?.field.value);
  };
  model?.field.addEventListener("change", showModel);
  const form = element(
    "div",
    { class: "inside", oninput: refresh, onchange: refresh },
    parameters.length > 0 && element("div", { class: "fields" }, ...parameters.map(({ name, field }) => labelled(name, field))),
    body?.node,
    element(
      "p",
      { class: "buttons" },
      element("button", { class: "button primary", type: "button", onclick: () => tryIt(request(), answer) }, "Send"),
      element("button", { class: "button", type: "button", onclick: () => copyText(curl.textContent, copied) }, "Copy curl"),
      copied,
      hasHead && element("span", { class: "soft small" }, "HEAD gives the same without a body."),
    ),
    element("pre", { class: "code", tabindex: "0", "aria-label": "curl command" }, curl),
    answer,
    schemaNode("Takes", operation.requestBody?.content),
    schemaNode("Answers", operation.responses["200"].content),
  );
  showModel();
  refresh();
  return form;
}

/** A model's example image as a file; null where its example is numbers. */
function imageOf(model) {
  const media = documented.paths["/v1/models/{model_name}:predict"]?.post.requestBody.content[JSON_TYPE];
  const { b64 } = media?.examples?.[model]?.value.instances[0] ?? {};
  if (!b64) return null;
  return new File([Uint8Array.from(atob(b64), (letter) => letter.charCodeAt(0))], "example.png", { type: "image/png" });
}

const choice = (values) => element("select", { id: newId() }, ...values.map((value) => element("option", { value }, value)));
const labelled = (text, field) => element("div", {}, element("label", { for: field.id }, text), field);

/** The body of an operation: JSON to edit, or an image file. */
class Body {
  constructor(content) {
    this.content = content;
    this.types = Object.keys(content).filter((type) => type === JSON_TYPE || type === "image/*"); // no binary tensors by hand
    this.type = choice(this.types);
    this.text = element("textarea", { id: newId(), spellcheck: "false" });
    this.file = element("input", { id: newId(), type: "file", accept: "image/*" });
    this.none = element("p", { class: "soft small" }, "A tensor of this model has too many numbers to write here: send an image file.");
    this.save = element("a", { download: "example.png" }, "example.png");
    const without = element("p", { class: "soft small" }, "Without a file, an image of the model's own is sent: ", this.save);
    this.areas = { [JSON_TYPE]: labelled("Body", this.text), "image/*": element("div", {}, labelled("Image file", this.file), without) };
    this.node = element("div", { class: "body" }, this.types.length > 1 && element("div", { class: "fields" }, labelled("Content-Type", this.type)), ...Object.values(this.areas), this.none);
    this.type.addEventListener("change", () => this.#showArea());
  }

  showExample(model) {
    const examples = this.content[JSON_TYPE].examples ?? {};
    const found = model === undefined ? Object.values(examples)[0] : examples[model];
    this.text.value = found ? JSON.stringify(found.value) : "";
    this.none.hidden = Boolean(found);
    this.type.value = found || !this.types.includes("image/*") ? JSON_TYPE : "image/*";
    this.example = imageOf(model);
    if (this.save.href) URL.revokeObjectURL(this.save.href);
    this.save.parentElement.hidden = !this.example;
    if (this.example) this.save.href = URL.createObjectURL(this.example);
    this.#showArea();
  }

  request(path) {
    if (this.type.value === JSON_TYPE) return requestForJson(path, this.text.value);
    const file = this.file.files[0] ?? this.example;
    return { path, method: "POST", type: file?.type || "image/png", body: file ?? "", file: file?.name ?? "image.png" };
  }

  #showArea() {
    for (const [type, node] of Object.entries(this.areas)) node.hidden = type !== this.type.value;
  }
}

async function tryIt(request, answer) {
  answer.replaceChildren(element("p", { class: "soft" }, "Sending …"));
  try {
    const { status, text, headers, ms } = await send(request);
    const isGood = status < 400;
    const value = (headers.get("content-type") ?? "").startsWith(JSON_TYPE) ? parse(text) : undefined;
    const shown = value === undefined ? text : JSON.stringify(value, null, 2);
    answer.replaceChildren(
      element("p", {}, element("span", { class: isGood ? "ok" : "failed" }, String(status)), ` in ${duration(ms)}, ${headers.get("content-type") ?? "no body"}`),
      element("pre", { class: "code", tabindex: "0", "aria-label": "Answer" }, element("code", {}, shown.slice(0, SHOWN_CHARACTERS) + (shown.length > SHOWN_CHARACTERS ? " …" : ""))),
    );
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    answer.replaceChildren(element("p", { class: "failed" }, error.message));
  }
}

function schemaNode(title, content) {
  const found = Object.entries(content ?? {}).filter(([, media]) => Object.keys(media.schema).length);
  if (!found.length) return null;
  const text = found.map(([type, media]) => `${type}\n${JSON.stringify(media.schema, null, 2)}`).join("\n\n");
  return element("details", { class: "schema" }, element("summary", { class: "small" }, title), element("pre", { class: "code", tabindex: "0" }, element("code", {}, text)));
}

async function load() {
  try {
    const response = await fetch("/openapi.json", { cache: "no-store" });
    show(await response.json());
  } catch {
    find("notice").hidden = false;
    find("notice").textContent = "The server does not answer. “forebay status” says whether it runs.";
  }
}

load();
