// Elements without markup: whatever a model, a class or a file is called is only ever text.

/** Make an element: attributes by name, `class`, and listeners as `onclick`; children are nodes or texts. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

export const find = (id) => document.getElementById(id);

/** A link that a browser may follow: to a path of this server, or over http; only its text for any other address. */
export function link(text, address) {
  const isOwn = address.startsWith("/") && !address.startsWith("//");
  if (!isOwn && !/^https?:\/\//.test(address)) return document.createTextNode(text);
  return element("a", isOwn ? { href: address } : { href: address, rel: "noreferrer" }, text);
}

export const percent = (part) => `${(part * 100).toFixed(part >= 0.9995 || part === 0 ? 0 : 1)} %`;
export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
export const duration = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** Copy a text; says in `told` whether that worked. */
export async function copyText(text, told) {
  try {
    await navigator.clipboard.writeText(text);
    told.textContent = "Copied.";
  } catch {
    told.textContent = "The browser does not allow it: select the text and copy it.";
  }
}
