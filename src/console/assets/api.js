// Sends requests to the routes of the admin listener. If the daemon has principals, a request without a valid token
// asks for one. The token is kept for this tab only.

const KEY = "switchboard-token";
const TIMEOUT_MS = 35_000; // a comparison may take 30 s

/** An answer that is no success, with the members of `application/problem+json`. */
export class Problem extends Error {
  constructor({ status = 0, code = "", title = "", detail = "" }) {
    super(detail || title);
    Object.assign(this, { status, code, title, detail });
  }
}

const UNREACHABLE = {
  code: "unreachable",
  title: "The daemon does not answer",
  detail: "Check that the daemon runs and that this address reaches its admin listener.",
};

let ask = null; // shows the dialog for a token, and returns whether one was entered
let asking = null; // the promise of the dialog that is open
let isDeclined = false; // whether the dialog was closed without a token

/** Sets the function that asks for a token. It gets the problem, and returns a promise of the token or null. */
export const onTokenNeeded = (question) => (ask = question);
export const hasToken = () => sessionStorage.getItem(KEY) !== null;
export const forgetToken = () => sessionStorage.removeItem(KEY);

/** Whether the daemon wants a token and the reader has not entered one. */
export const wantsToken = () => isDeclined;

/** Asks for a token again on the next request, after the reader had declined. */
export const askAgain = () => (isDeclined = false);

async function tokenAfter(problem) {
  if (isDeclined) throw problem;
  asking ??= ask(problem).finally(() => (asking = null));
  const token = await asking;
  isDeclined = token === null;
  if (isDeclined) throw problem;
  sessionStorage.setItem(KEY, token);
}

async function request(method, path, body, type) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = {};
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    if (type) headers["Content-Type"] = type;
    let response;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      response = await fetch(path, { method, headers, body, signal, cache: "no-store", credentials: "omit", redirect: "error" });
    } catch {
      throw new Problem(UNREACHABLE);
    }
    if (response.ok) return response;
    const text = await response.text().catch(() => "");
    let members = {};
    try {
      members = JSON.parse(text);
    } catch {
      members = { title: `HTTP ${response.status}`, detail: text.slice(0, 200) };
    }
    const problem = new Problem({ ...members, status: response.status });
    if (response.status !== 401 || !ask) throw problem;
    // Another request may have got a token meanwhile.
    if (sessionStorage.getItem(KEY) === token) await tokenAfter(problem);
  }
}

/** Returns the JSON of an answer, or null for one without content. Throws a `Problem`. */
export async function send(method, path, body) {
  const isForm = body instanceof FormData;
  const type = body === undefined || isForm ? undefined : "application/json";
  const response = await request(method, path, isForm || body === undefined ? body : JSON.stringify(body), type);
  return response.status === 204 ? null : response.json();
}

export const get = (path) => send("GET", path);
export const post = (path, body) => send("POST", path, body);
export const getText = async (path) => (await request("GET", path)).text();

/** Returns a path with a query string of the fields that have a value. */
export function withQuery(path, fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}
