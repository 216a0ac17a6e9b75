/** Requests to the hub: token, patience with a busy server, and errors that say what to do. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { abortedError, isRATError, RATError } from "../errors.js";
import { huggingFaceHome } from "./cache.js";
import type { Repository } from "./repository.js";

/** `HF_ENDPOINT`, without a slash at its end. */
export function hubUrl(env = process.env): string {
  const { HF_ENDPOINT } = env;
  return (HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
}

/** Whether `HF_HUB_OFFLINE` (or `TRANSFORMERS_OFFLINE`) forbids the network. */
export function isOffline(env = process.env): boolean {
  const { HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE } = env;
  return [HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE].some(
    (value) => value !== undefined && /^(1|on|yes|true)$/i.test(value),
  );
}

/** `HF_TOKEN`, else what `hf auth login` left. */
function accessToken(env = process.env): string | undefined {
  const { HF_TOKEN, HF_TOKEN_PATH } = env;
  if (HF_TOKEN) return HF_TOKEN.trim();
  try {
    return readFileSync(HF_TOKEN_PATH || join(huggingFaceHome(env), "token"), "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

/** How often a request is made in all where a busy server refuses it. */
const ATTEMPTS = 5;
/** Without any answer fewer: where there is no network, there will be none in a moment. */
const ATTEMPTS_WITHOUT_ANSWER = 3;
/** Longest wait that is worth it, in milliseconds. */
const LONGEST_WAIT = 60_000;

/**
 * A `fetch` for one download: sends the token to the hub and nowhere else, waits where the server asks for it (429, 503)
 * or fails (5xx, no connection), and ends with the signal.
 */
export function hubFetch(signal: AbortSignal | undefined): typeof fetch {
  const token = accessToken();
  const origin = new URL(hubUrl()).origin;
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init?.headers);
    if (token !== undefined && url.origin === origin) headers.set("Authorization", `Bearer ${token}`);
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(url, { ...init, headers, ...(signal && { signal }) }).catch(
        (error: unknown) => {
          if (signal?.aborted) throw abortedError(signal);
          if (attempt >= ATTEMPTS_WITHOUT_ANSWER) throw unreachable(url, error);
          return undefined;
        },
      );
      const isRefused = response !== undefined && (response.status === 429 || response.status >= 500);
      if (response !== undefined && (!isRefused || attempt >= ATTEMPTS)) return response;
      await response?.body?.cancel();
      const wait = waitOf(response, attempt);
      if (response !== undefined && wait > LONGEST_WAIT) return response;
      await sleep(wait, undefined, { signal }).catch(() => {
        throw abortedError(signal);
      });
    }
  };
}

/** What `Retry-After` says, in seconds or as a date; else longer each time. Milliseconds. */
function waitOf(response: Response | undefined, attempt: number): number {
  const said = response?.headers.get("Retry-After") ?? "";
  const seconds = said.trim() === "" ? Number.NaN : Number(said);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(said);
  return Number.isNaN(date) ? 250 * 2 ** (attempt - 1) : Math.max(0, date - Date.now());
}

function unreachable(url: URL, cause: unknown): RATError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const reason = inner instanceof Error ? inner.message : String(inner);
  return new RATError(
    "ERR_RAT_NETWORK",
    `${url.origin} cannot be reached (${reason}). Is there a network? HF_ENDPOINT names a mirror`,
    { cause, retryable: true },
  );
}

/** Turns what the hub's library throws into a {@link RATError}. */
export function hubError(error: unknown, repository: Repository): RATError {
  const { name, type, revision } = repository;
  if (isRATError(error, "ERR_RAT_NETWORK") && type === "model") {
    const { code, message, retryable } = error;
    return new RATError(code, `There is no folder ${name} here, and ${message}`, { cause: error, retryable });
  }
  if (isRATError(error)) return error;
  const status = error instanceof Error && "statusCode" in error ? Number(error.statusCode) : undefined;
  const options = { cause: error, details: { repository: name, revision, status } };
  const where = `${hubUrl()} (${type} ${name}, revision ${revision})`;
  switch (status) {
    case 401:
    case 403:
      return new RATError(
        "ERR_RAT_NETWORK",
        `${where} refuses access: the name is wrong, or it is private or gated. Check the name; with access, set HF_TOKEN (${status})`,
        options,
      );
    case 404:
      return new RATError(
        "ERR_RAT_PATH",
        `${where} does not exist, and there is no folder ${name} here. Check name and revision`,
        options,
      );
    case 429:
      return new RATError("ERR_RAT_NETWORK", `${where} asks to be left alone for a while (429); try later`, {
        ...options,
        retryable: true,
      });
    default: {
      const reason = error instanceof Error ? error.message : String(error);
      return new RATError("ERR_RAT_NETWORK", `${where}: ${reason}`, { ...options, retryable: true });
    }
  }
}
