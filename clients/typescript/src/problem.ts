/** What went wrong, as the server told it: an RFC 9457 problem document as an error. */

/** One field that broke a rule: its path as the caller wrote it, and what to do about it. */
export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

/** An answer other than success. `message` is for people; programs look at `status`, `code` and `reason`. */
export class MillraceProblem extends Error {
  override readonly name = "MillraceProblem";
  /** The HTTP status. */
  readonly status: number;
  /** The status in words. */
  readonly title: string;
  /** The gRPC code, for example `NOT_FOUND`; unset when something between here and Millrace answered. */
  readonly code: string | undefined;
  /** A name that programs may rely on, for example `CODE_TAKEN`. */
  readonly reason: string | undefined;
  /** Facts that belong to the reason, such as the `status` that does not allow the change; often empty. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The fields at fault; empty when the fault is not in a field. */
  readonly errors: readonly FieldProblem[];
  /** What to quote when asking an operator. */
  readonly requestId: string | undefined;
  /** How long to wait before trying again, where the server said so. */
  readonly retryAfterSeconds: number | undefined;

  /** `document` is the answer's body, parsed when it was JSON. */
  constructor(response: Response, document: unknown) {
    const told = isRecord(document) ? document : {};
    const title = text(told["title"]) ?? (response.statusText || `HTTP ${response.status}`);
    super(text(told["detail"]) ?? title);
    this.status = response.status;
    this.title = title;
    this.code = text(told["code"]);
    this.reason = text(told["reason"]);
    this.metadata = isRecord(told["metadata"]) ? textsIn(told["metadata"]) : {};
    this.errors = Array.isArray(told["errors"]) ? told["errors"].filter(isFieldProblem) : [];
    this.requestId = response.headers.get("X-Request-Id") ?? text(told["instance"]);
    this.retryAfterSeconds = retryAfterSeconds(response);
  }
}

/** Reads Retry-After, which is a number of seconds or a date; undefined when absent or neither. */
export function retryAfterSeconds(response: Response): number | undefined {
  const value = response.headers.get("Retry-After") ?? "";
  if (/^\d+$/.test(value)) return Number(value);
  // Date.parse also makes dates of things like "-1".
  const at = /^[A-Z][a-z]+, /.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, (at - Date.now()) / 1000);
}

function isFieldProblem(value: unknown): value is FieldProblem {
  return isRecord(value) && typeof value["field"] === "string" && typeof value["message"] === "string";
}

function textsIn(record: Record<string, unknown>): Record<string, string> {
  const isText = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === "string";
  return Object.fromEntries(Object.entries(record).filter(isText));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
