// Requests of the page: what is sent, how it is sent, and the curl command that sends the same.

const INLINE_CHARACTERS = 4096; // a longer body is a file of the command

export class AskError extends Error {}

export const predictPath = (name) => `/v1/models/${encodeURIComponent(name)}:predict`;

/** The request for image files: one goes as it is, several go in base64 in one request. */
export async function requestForFiles(name, files) {
  if (files.length === 1) {
    const [file] = files;
    const type = file.type.startsWith("image/") ? file.type : "image/unknown";
    return { path: predictPath(name), type, body: file, bytes: file.size, file: file.name || "image" };
  }
  const encoded = await Promise.all(files.map(base64));
  return requestForJson(predictPath(name), { instances: encoded.map((b64) => ({ b64 })) });
}

export function requestForJson(path, value, method = "POST") {
  const body = typeof value === "string" ? value : JSON.stringify(value);
  const file = body.length > INLINE_CHARACTERS ? "request.json" : "";
  return { path, method, type: "application/json", body, bytes: new Blob([body]).size, file };
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).slice(String(reader.result).indexOf(",") + 1));
    reader.onerror = () => reject(new AskError(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}

/** Send a request. Returns status, headers, text, and milliseconds until the last byte of the answer was here. */
export async function send(request) {
  const { path, method = "POST", type, body } = request;
  const start = performance.now();
  try {
    const headers = body === undefined ? {} : { "Content-Type": type };
    const response = await fetch(path, { method, headers, body, cache: "no-store" });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, ms: performance.now() - start };
  } catch {
    throw new AskError("The server does not answer. “forebay status” says whether it runs.");
  }
}

/** Send a V1 request. Returns its predictions and the milliseconds. Throws an AskError with the server's own words. */
export async function predict(request) {
  const answer = await send(request);
  const value = parse(answer.text);
  if (answer.status !== 200 || !Array.isArray(value?.predictions)) {
    throw new AskError(value?.error ?? `The server answered with status ${answer.status}.`);
  }
  return { predictions: value.predictions, ms: answer.ms };
}

export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The command that sends the same request. */
export function curlLine({ path, method = "POST", type, body, file }) {
  const words = ["curl", quote(location.origin + path)];
  if (method === "HEAD") words.splice(1, 0, "--head");
  if (body === undefined) return words.join(" ");
  words.push("-H", quote(`Content-Type: ${type}`));
  words.push(...(file ? ["--data-binary", quote(`@${file}`)] : ["--data", quote(body)]));
  return words.join(" ");
}

/** A word for a POSIX shell. */
const quote = (text) => (/^[\w./:@=+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
