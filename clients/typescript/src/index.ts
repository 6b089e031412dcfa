/** Typed client for Millrace's REST interface. */

export { createMillrace, type Millrace, type MillraceOptions } from "./millrace.js";
export { MillraceProblem, type FieldProblem } from "./problem.js";
export type { AnswerOf, CallOptions, CallSettings, EntryOf, ListPath, OperationOf, PathOf } from "./calls.js";
export type * from "./generated/schema.js";
