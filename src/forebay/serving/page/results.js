// Answers: a label, bars of probabilities and warnings for each image.

import { element, percent } from "./dom.js";

const SHOWN_CLASSES = 5;

/** One list item for the answer about one image. `preview` is a node that shows the image. */
export function resultItem(prediction, { name, preview }, classes) {
  const { probabilities } = prediction;
  const order = probabilities.map((_, index) => index).sort((a, b) => probabilities[b] - probabilities[a]);
  const bars = element("ol", { class: "bars", "aria-label": `Probabilities of ${name}` });
  const show = (most) => bars.replaceChildren(...order.slice(0, most).map((index) => bar(className(classes, index), probabilities[index])));
  show(SHOWN_CLASSES);
  return element(
    "li",
    { class: "result" },
    element("div", { class: "picture" }, preview),
    element(
      "div",
      { class: "said" },
      element("p", { class: "label" }, element("b", {}, prediction.label_name), " ", element("span", {}, percent(probabilities[prediction.label]))),
      element("p", { class: "soft small name" }, name),
      bars,
      order.length > SHOWN_CLASSES && moreButton(order.length, show),
      ...(prediction.warnings ?? []).map((text) => element("p", { class: "warning" }, element("b", {}, "Warning: "), text)),
    ),
  );
}

const className = (classes, index) => classes[index] ?? String(index);

function bar(name, part) {
  const fill = element("i");
  fill.style.inlineSize = `${part * 100}%`;
  return element("li", {}, element("span", { class: "class", title: name }, name), element("span", { class: "track", "aria-hidden": "true" }, fill), element("span", { class: "part" }, percent(part)));
}

function moreButton(classes, show) {
  const button = element("button", { class: "plain small", type: "button", "aria-expanded": "false" }, `All ${classes.toLocaleString("en")} classes`);
  button.addEventListener("click", () => {
    const expand = button.getAttribute("aria-expanded") === "false";
    button.setAttribute("aria-expanded", String(expand));
    button.textContent = expand ? "Fewer classes" : `All ${classes.toLocaleString("en")} classes`;
    show(expand ? classes : SHOWN_CLASSES);
  });
  return button;
}

/** What the answers are, in one sentence for the status line, which screen readers speak. */
export function inWords(predictions, items) {
  const said = predictions.slice(0, 3).map((each, index) => {
    const start = predictions.length > 1 ? `${items[index].name}: ` : "";
    return `${start}${each.label_name}, ${percent(each.probabilities[each.label])}`;
  });
  return said.join("; ") + (predictions.length > 3 ? `; and ${predictions.length - 3} more` : "");
}

/** A node that shows an image file; where the browser cannot, its kind. */
export function filePreview(file, addresses) {
  const address = URL.createObjectURL(file);
  addresses.push(address);
  const image = element("img", { alt: "", src: address });
  image.addEventListener("error", () => image.replaceWith(element("span", { class: "soft small" }, "no preview")));
  return image;
}

/** A node that shows pixels, as nested numbers (rows of values or of channels). */
export function pixelPreview(pixels) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  paintPixels(canvas, pixels);
  return canvas;
}

/** Paint nested numbers from 0 to 255 on a canvas of their size. */
export function paintPixels(canvas, pixels) {
  canvas.width = pixels[0].length;
  canvas.height = pixels.length;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  pixels.flat().forEach((pixel, index) => {
    const [red, green = red, blue = red] = [pixel].flat();
    image.data.set([red, green, blue, 255], index * 4);
  });
  context.putImageData(image, 0, 0);
}
