// The model card, from the Markdown that register writes to nodes. What is not understood is shown as it is written.

import { element, link } from "./dom.js";

const INLINE = /\*\*(.+?)\*\*|`([^`]+)`|\[([^\]]+)\]\(([^)\s]+)\)/g;
const FACT = /^- \*\*(.+?)\*\*: (.*)$/;
const NAMED = { amp: "&", lt: "<", gt: ">", quot: '"', emsp: "" };

/** The facts at the top of a card, as pairs of term and text, and the rest of it. */
export function splitCard(text) {
  const lines = text.split("\n");
  let start = 0;
  while (start < lines.length && FACT.test(lines[start])) start++;
  return { facts: lines.slice(0, start).map((line) => line.match(FACT).slice(1)), rest: lines.slice(start).join("\n") };
}

/** Nodes for text with bold words, code and links; addresses that begin with # are pages of MLflow at `base`. */
export function inline(text, base) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    const [all, bold, code, words, address] = found;
    nodes.push(plain(text.slice(end, found.index)));
    if (bold !== undefined) nodes.push(element("strong", {}, ...inline(bold, base)));
    else if (code !== undefined) nodes.push(element("code", {}, code));
    else nodes.push(link(plain(words), address.startsWith("#") && base ? `${base}/${address}` : address));
    end = found.index + all.length;
  }
  return [...nodes, plain(text.slice(end))];
}

/** Text with its character references replaced. */
const plain = (text) =>
  text.replace(/&(?:#(\d{1,7})|(\w+));/g, (all, number, name) => {
    if (number !== undefined) return Number(number) <= 0x10ffff ? String.fromCodePoint(Number(number)) : all;
    return NAMED[name] ?? all;
  });

/** Nodes for a whole text: headings, lists, tables, code and paragraphs. */
export function blocks(text, base) {
  const lines = text.split("\n");
  const nodes = [];
  const take = (belongs) => {
    const taken = [];
    while (lines.length && belongs(lines[0])) taken.push(lines.shift());
    return taken;
  };
  while (lines.length) {
    const line = lines[0];
    const heading = line.match(/^(#{1,6}) (.*)$/);
    if (line.trim() === "") lines.shift();
    else if (heading) {
      lines.shift();
      nodes.push(element("h3", {}, ...inline(heading[2], base)));
    } else if (line.startsWith("```")) {
      lines.shift();
      const code = take((each) => !each.startsWith("```")).join("\n");
      lines.shift();
      nodes.push(element("pre", { class: "code", tabindex: "0" }, element("code", {}, code)));
    } else if (line.startsWith("|")) nodes.push(table(take((each) => each.startsWith("|")), base));
    else if (line.startsWith("- ")) {
      nodes.push(element("ul", {}, ...take((each) => each.startsWith("- ")).map((each) => element("li", {}, ...inline(each.slice(2), base)))));
    } else nodes.push(element("p", {}, ...inline([lines.shift(), ...take((each) => /^[^#`|\s-]/.test(each))].join(" "), base)));
  }
  return nodes;
}

function table(lines, base) {
  const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const row = (line, tag) => element("tr", {}, ...cells(line).map((cell) => element(tag, tag === "th" ? { scope: "col" } : {}, ...inline(cell, base))));
  const [head, ...rest] = lines;
  const body = rest.filter((line) => !/^[|\s:-]+$/.test(line));
  return element("div", { class: "scroll", tabindex: "0" }, element("table", {}, element("thead", {}, row(head, "th")), element("tbody", {}, ...body.map((line) => row(line, "td")))));
}
