/** The shapes of calls: which paths there are, what each takes and what it gives. Types only. */

import type { HeadersOptions, ParamsOption, RequestBodyOption } from "openapi-fetch";
import type { HttpMethod } from "openapi-typescript-helpers";

import type { LISTS } from "./generated/operations.js";
import type { paths } from "./generated/schema.js";

type AnsweringJson<Answer> = { responses: { 200: { content: { "application/json": Answer } } } };

/** A path that answers this method with JSON. */
export type PathOf<Method extends HttpMethod> = {
  [Path in keyof paths]: paths[Path] extends Record<Method, AnsweringJson<unknown>> ? Path : never;
}[keyof paths];

/** What the document says of one method of one path. */
export type OperationOf<Path extends keyof paths, Method extends HttpMethod> =
  paths[Path] extends Record<Method, infer Operation> ? Operation : never;

/** What may be set for any call. */
export interface CallSettings {
  /** Ends the call when aborted. */
  signal?: AbortSignal;
  /** Replaces the client's `timeoutMs` for this call. */
  timeoutMs?: number;
  /** Sent beside the client's own. */
  headers?: HeadersOptions;
}

/** `params.path`, `params.query` and `body` as the operation has them, and the settings. */
export type CallOptions<Operation> = ParamsOption<Operation> & RequestBodyOption<Operation> & CallSettings;

/** The answer's body. */
export type AnswerOf<Operation> = Operation extends AnsweringJson<infer Answer> ? Answer : never;

/** The options may be left out where nothing in them is required. */
export type OptionsArgument<Options> = object extends Options ? [options?: Options] : [options: Options];

/** One HTTP method over all of its paths. */
export type Call<Method extends HttpMethod> = <Path extends PathOf<Method>>(
  path: Path,
  ...options: OptionsArgument<CallOptions<OperationOf<Path, Method>>>
) => Promise<AnswerOf<OperationOf<Path, Method>>>;

/** A path that answers in pages. */
export type ListPath = keyof typeof LISTS & PathOf<"get">;

/** One entry of that path's pages. */
export type EntryOf<Path extends ListPath> =
  AnswerOf<OperationOf<Path, "get">> extends { [Name in (typeof LISTS)[Path]]?: readonly (infer Entry)[] }
    ? Entry
    : never;
