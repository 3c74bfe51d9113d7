// The page: which models are served, images to ask them about, and their answers.

import { blocks, inline, splitCard } from "./card.js";
import { copyText, count, duration, element, find, link } from "./dom.js";
import { canBeDrawn, Drawing } from "./drawing.js";
import { AskError, curlLine, predict, predictPath, requestForFiles, requestForJson } from "./request.js";
import { filePreview, inWords, paintPixels, pixelPreview, resultItem } from "./results.js";

const CHANNELS = { 1: "grey", 3: "colour" };
const state = { models: [], chosen: "", maxBytes: 0, asked: 0, addresses: [] };

const chosen = () => state.models.find((model) => model.name === state.chosen);

const drawing = new Drawing(find("canvas"), find("cursor"), {
  ask: askAboutDrawing,
  change: () => paintPixels(find("preview"), drawing.pixels()),
  tell: (text) => (find("pen").textContent = text),
});

// ---- which models are served

async function loadModels() {
  try {
    const response = await fetch("/page/models", { cache: "no-store" });
    const found = await response.json();
    if (!response.ok) throw new Error(found.error);
    notice("");
    state.maxBytes = found.max_body_bytes;
    find("served-by").textContent = `Forebay ${found.forebay}`;
    showModels(found);
  } catch {
    notice("The server does not answer. “forebay status” says whether it runs; this page looks again when you come back to it.");
  }
}

function showModels({ models, missing }) {
  const before = chosen();
  state.models = models;
  if (!chosen()) state.chosen = (models.find((model) => model.name === wantedName()) ?? models[0])?.name ?? "";
  const waiting = missing.map((each) => `${each.name} version ${each.version}`).join(", ");
  if (waiting) notice(`Not loaded yet, or it cannot be: ${waiting}. “forebay status” says more.`);
  else if (!models.length) notice("No model is served. “forebay run” trains one, “forebay serve” serves the champions.");
  for (const id of ["model", "work"]) find(id).hidden = !models.length;
  showChooser();
  const model = chosen();
  if (model && (!before || before.name !== model.name || before.version !== model.version)) showModel(model);
  if (!model) find("card").hidden = true;
}

const wantedName = () => new URLSearchParams(location.search).get("model");

function showChooser() {
  const names = state.models.map((model) => model.name);
  const fieldset = find("chooser");
  fieldset.hidden = names.length < 2;
  if ([...fieldset.querySelectorAll("input")].map((input) => input.value).join("\n") === names.join("\n")) return;
  const pills = names.map((name) => {
    const input = element("input", { type: "radio", name: "model", value: name, checked: name === state.chosen });
    input.addEventListener("change", () => choose(name));
    return element("label", {}, input, element("span", {}, name));
  });
  fieldset.replaceChildren(fieldset.querySelector("legend"), ...pills);
}

function choose(name) {
  state.chosen = name;
  history.replaceState(null, "", `?model=${encodeURIComponent(name)}`);
  forgetAnswers("Nothing asked yet.");
  showModel(chosen());
}

function showModel(model) {
  const { height, width, channels, classes } = model;
  document.title = `${model.name} · Forebay`;
  find("model-name").textContent = model.name;
  const kind = CHANNELS[channels] ?? `${channels}-channel`;
  const facts = [`version ${model.version}`, model.network, `${kind} images of ${height} × ${width}`, count(classes.length, "class")];
  find("model-line").textContent = facts.join(" · ");
  const accuracy = find("model-accuracy");
  accuracy.hidden = model.accuracy === null;
  accuracy.firstElementChild.textContent = model.accuracy === null ? "" : `${(model.accuracy * 100).toFixed(2)} %`;
  const links = [
    model.report && link("Report", model.report),
    model.card && element("a", { href: "#card" }, "Model card"),
    model.mlflow_version && link("MLflow", model.mlflow_version),
  ].filter(Boolean);
  find("model-links").replaceChildren(...links.flatMap((each, index) => (index ? [" ", each] : [each])));
  find("takes").textContent = `Any size: the server brings them to ${height} × ${width}, as it did with the training images.`;
  find("example").hidden = !model.example;
  find("draw").hidden = !canBeDrawn(model);
  if (canBeDrawn(model)) drawing.fit(model);
  showCard(model);
}

function showCard(model) {
  find("card").hidden = !model.card;
  const { facts, rest } = splitCard(model.card);
  const rows = facts.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, ...inline(text, model.mlflow))]);
  find("card-facts").replaceChildren(...rows);
  find("card-text").replaceChildren(...blocks(rest, model.mlflow));
  find("card-more").hidden = !rest.trim();
}

function notice(text) {
  find("notice").hidden = !text;
  find("notice").textContent = text;
}

// ---- asking

async function askAboutFiles(files) {
  const model = chosen();
  if (!model || !files.length) return;
  const other = files.find((file) => file.type && !file.type.startsWith("image/"));
  if (other) return fail(`${other.name} is no image.`);
  const bytes = files.reduce((sum, file) => sum + file.size, 0) * (files.length > 1 ? 4 / 3 : 1);
  if (bytes > state.maxBytes) {
    return fail(`${count(files.length, "image")} of ${Math.ceil(bytes / 2 ** 20)} MiB: the server takes ${state.maxBytes / 2 ** 20} MiB at once. Send fewer.`);
  }
  const items = files.map((file) => ({ name: file.name || "image", preview: () => filePreview(file, state.addresses) }));
  await ask(model, items, () => requestForFiles(model.name, files));
}

async function askAboutDrawing() {
  const model = chosen();
  if (!model || drawing.isEmpty) return;
  const pixels = drawing.pixels();
  const items = [{ name: "Your drawing", preview: () => pixelPreview(pixels) }];
  await ask(model, items, () => requestForJson(predictPath(model.name), { instances: [pixels] }));
}

async function askAboutExample() {
  const model = chosen();
  const [instance] = model.example.instances;
  const preview = () => (Array.isArray(instance) ? pixelPreview(instance) : element("img", { alt: "", src: `data:image/png;base64,${instance.b64}` }));
  await ask(model, [{ name: "Example from the model's bundle", preview }], () => requestForJson(predictPath(model.name), model.example));
}

async function ask(model, items, makeRequest) {
  const number = ++state.asked;
  find("error").hidden = true;
  find("status").textContent = `Asking about ${count(items.length, "image")} …`;
  try {
    const request = await makeRequest();
    if (number !== state.asked) return;
    showRequest(request);
    const { predictions, ms } = await predict(request);
    if (number === state.asked) showAnswers(model, items, predictions, ms);
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    if (number === state.asked) fail(inFileNames(error.message, items));
  }
}

function showAnswers(model, items, predictions, ms) {
  forgetAddresses();
  const results = predictions.map((each, index) => resultItem(each, { name: items[index].name, preview: items[index].preview() }, model.classes));
  find("results").replaceChildren(...results);
  const by = `${model.name} version ${predictions[0].model_version}`;
  find("status").replaceChildren(
    element("span", { class: "unseen" }, `${inWords(predictions, items)}. `),
    `${count(predictions.length, "image")} in ${duration(ms)}, there and back, by ${by}`,
  );
  if (predictions[0].model_version !== model.version) loadModels(); // another version was deployed meanwhile
}

/** The server counts images; a person knows them by name. */
function inFileNames(message, items) {
  const at = message.match(/^instances\[(\d+)\]/);
  const name = items.length === 1 ? items[0].name : items[Number(at?.[1])]?.name;
  return name ? `${name}: ${message}` : message;
}

function fail(text) {
  forgetAnswers("");
  find("error").textContent = text;
  find("error").hidden = false;
}

function forgetAnswers(status) {
  state.asked++; // an answer that is still on its way is not shown
  forgetAddresses();
  find("results").replaceChildren();
  find("error").hidden = true;
  find("status").textContent = status;
}

function forgetAddresses() {
  for (const address of state.addresses.splice(0)) URL.revokeObjectURL(address);
}

// ---- the same from a shell

let saved = "";

function showRequest(request) {
  find("sent").hidden = false;
  find("curl").textContent = curlLine(request);
  find("copied").textContent = "";
  if (saved) URL.revokeObjectURL(saved);
  saved = request.file ? URL.createObjectURL(new Blob([request.body])) : "";
  const save = find("save");
  save.hidden = !request.file;
  save.textContent = request.file ? `Save ${request.file}` : "";
  if (saved) {
    save.href = saved;
    save.download = request.file;
  } else save.removeAttribute("href");
}

// ---- wiring

find("files").addEventListener("change", ({ target }) => {
  askAboutFiles([...target.files]);
  target.value = ""; // the same file again is a change again
});
find("example").addEventListener("click", askAboutExample);
find("clear").addEventListener("click", () => drawing.clear());
find("copy").addEventListener("click", () => copyText(find("curl").textContent, find("copied")));

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) askAboutFiles(files);
});

let dragged = 0;
const drop = (isOver) => find("drop").classList.toggle("over", isOver);
document.addEventListener("dragenter", () => drop(++dragged > 0));
document.addEventListener("dragleave", () => drop((dragged = Math.max(0, dragged - 1)) > 0));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop(Boolean((dragged = 0)));
  askAboutFiles([...event.dataTransfer.files]);
});
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && loadModels());

loadModels();
