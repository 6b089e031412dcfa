/** Sends a request, and again when that is harmless and the server asked for patience. */

import { retryAfterSeconds } from "./problem.js";

/** Sends one request once. */
export type Fetch = (request: Request) => Promise<Response>;

const MAX_ATTEMPTS = 3;
const FIRST_PAUSE_MS = 100;
/** 429 and 503: nothing was done, and waiting helps. */
const WORTH_WAITING: ReadonlySet<number> = new Set([429, 503]);

export interface Attempts {
  /** Sends once. */
  readonly fetch: Fetch;
  /** Asked before every attempt, so that a token may expire meanwhile, within the time allowed; "" sends none. */
  readonly token: () => string | Promise<string>;
  /** How long everything may take, pauses and reading the answer included. */
  readonly timeoutMs: number;
  /** Whether sending the request twice does what sending it once does. */
  readonly repeatable: boolean;
}

/**
 * Makes what `openapi-fetch` calls to send one request.
 *
 * The last answer is returned whatever its status. A pause is never shorter than Retry-After; one that would
 * outlast the time allowed is not begun. Rejects with a `TimeoutError` when the time is up, with the caller's
 * reason when the caller aborts, and with fetch's own error when there was no answer.
 */
export function inAttempts({ fetch, token, timeoutMs, repeatable }: Attempts): Fetch {
  return async (original) => {
    const deadline = performance.now() + timeoutMs;
    const signal = AbortSignal.any([original.signal, AbortSignal.timeout(timeoutMs)]);
    for (let attempt = 1; ; attempt++) {
      const request = new Request(original.clone(), { signal });
      const bearer = await unlessAborted((async () => token())(), signal);
      if (bearer && !request.headers.has("Authorization")) request.headers.set("Authorization", `Bearer ${bearer}`);
      const response = await fetch(request);
      const mayRepeat = repeatable && attempt < MAX_ATTEMPTS && WORTH_WAITING.has(response.status);
      const pause = mayRepeat ? pauseMs(attempt, response) : 0;
      if (!mayRepeat || performance.now() + pause >= deadline) return response;
      await response.body?.cancel();
      await passed(pause, signal);
    }
  };
}

/** Settles as `wanted` does, but no later than the signal, with its reason. */
function unlessAborted<Wanted>(wanted: Promise<Wanted>, signal: AbortSignal): Promise<Wanted> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    wanted.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}

/** Doubles with every attempt and is spread by half, so that clients refused together do not return together. */
function pauseMs(attempt: number, response: Response): number {
  const asked = 1000 * (retryAfterSeconds(response) ?? 0);
  return Math.max(asked, FIRST_PAUSE_MS * 2 ** (attempt - 1)) * (1 + Math.random() / 2);
}

function passed(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const leave = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", leave);
      resolve();
    }, ms);
    signal.addEventListener("abort", leave, { once: true });
  });
}
