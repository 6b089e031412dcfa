/** The client: one call per HTTP method, typed by path, and an iterator over lists. */

import createClient from "openapi-fetch";
import type { HttpMethod } from "openapi-typescript-helpers";

import { inAttempts, type Fetch } from "./attempts.js";
import type { Call, CallOptions, CallSettings, EntryOf, ListPath, OperationOf, OptionsArgument } from "./calls.js";
import { LISTS, REPEATABLE } from "./generated/operations.js";
import type { paths } from "./generated/schema.js";
import { MillraceProblem } from "./problem.js";

export interface MillraceOptions {
  /** Where Millrace is, for example `https://shop.example`; the paths are appended. */
  baseUrl: string;
  /** The bearer token, or how to get one: asked before every attempt. Unset: only public paths answer. */
  token?: string | (() => string | Promise<string>);
  /** Sends requests. Unset: the platform's `fetch`. */
  fetch?: Fetch;
  /** How long a call may take, repeats and reading the answer included. Unset: 15,000. */
  timeoutMs?: number;
}

/**
 * Calls resolve to the answer's body and reject with a `MillraceProblem` for any status but success, with a
 * `TimeoutError` when the time is up, and with the error of `fetch` when there was no answer.
 *
 * GET and what the document calls repeatable is sent up to three times while Millrace answers 429 or 503.
 */
export interface Millrace {
  readonly GET: Call<"get">;
  readonly POST: Call<"post">;
  readonly PUT: Call<"put">;
  readonly PATCH: Call<"patch">;
  readonly DELETE: Call<"delete">;
  /** Yields every entry of a list, asking for the next page when it is needed. */
  paginate<Path extends ListPath>(
    path: Path,
    ...options: OptionsArgument<CallOptions<OperationOf<Path, "get">>>
  ): AsyncGenerator<EntryOf<Path>, void, undefined>;
}

const TIMEOUT_MS = 15_000;

/** Any call, once the compiler has seen at its place that path, options and answer belong together. */
type AnyCall = (path: string, options?: AnyOptions) => Promise<never>;
type AnyOptions = CallSettings & { params?: { query?: Record<string, unknown> } };

export function createMillrace(options: MillraceOptions): Millrace {
  const { baseUrl, token = "", fetch = (request) => globalThis.fetch(request), timeoutMs = TIMEOUT_MS } = options;
  const bearer = typeof token === "function" ? token : () => token;
  const client = createClient<paths>({ baseUrl, headers: { Accept: "application/json" } });

  const call =
    (method: HttpMethod): AnyCall =>
    async (path, { timeoutMs: own = timeoutMs, ...init } = {}) => {
      const repeatable = method === "get" || REPEATABLE.has(`${method.toUpperCase()} ${path}`);
      const send = inAttempts({ fetch, token: bearer, timeoutMs: own, repeatable });
      const { data, error, response } = await client.request(method, path as never, { ...init, fetch: send } as never);
      if (!response.ok) throw new MillraceProblem(response, error);
      return data as never;
    };

  const get = call("get");
  return {
    GET: get as Call<"get">,
    POST: call("post") as Call<"post">,
    PUT: call("put") as Call<"put">,
    PATCH: call("patch") as Call<"patch">,
    DELETE: call("delete") as Call<"delete">,
    paginate: (path, ...[init]) => entries(get, path, init as AnyOptions | undefined),
  };
}

async function* entries(get: AnyCall, path: ListPath, options: AnyOptions = {}): AsyncGenerator<never, void> {
  const query = { ...options.params?.query };
  do {
    const page: Record<string, unknown> = await get(path, { ...options, params: { ...options.params, query } });
    yield* page[LISTS[path]] as never[];
    query["pageToken"] = page["nextPageToken"];
  } while (query["pageToken"]);
}
