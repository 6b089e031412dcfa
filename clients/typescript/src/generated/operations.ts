/** Generated from the OpenAPI document by `make generate`; do not edit. */

/** Operations other than GET that may be repeated without doing more than once. */
export const REPEATABLE: ReadonlySet<string> = new Set([
  "PATCH /api/v1/affiliate/links/{linkId}",
  "PATCH /api/v1/affiliate/program",
  "POST /api/v1/affiliate/links/{linkId}:disable",
  "POST /api/v1/affiliate/links/{linkId}:enable",
  "POST /api/v1/affiliate/partners/{partnerId}:approve",
  "POST /api/v1/affiliate/partners/{partnerId}:reinstate",
  "POST /api/v1/affiliate/partners/{partnerId}:reject",
  "POST /api/v1/affiliate/partners/{partnerId}:suspend",
  "POST /api/v1/analytics/deadLetters:replay",
  "POST /api/v1/analytics:erase",
  "POST /api/v1/catalog/products",
  "POST /api/v1/catalog/products:batchUpsert",
  "POST /api/v1/jobs/{jobId}:cancel",
  "POST /api/v1/media/process",
  "POST /api/v1/queues/{queue}:pause",
  "POST /api/v1/queues/{queue}:resume"
]);

/** Paths that answer in pages, and the field that holds a page's entries. */
export const LISTS = {
  "/api/v1/affiliate/partners": "partners",
  "/api/v1/affiliate/links": "links",
  "/api/v1/analytics/deadLetters": "deadLetters",
  "/api/v1/catalog/products": "products",
  "/api/v1/jobs": "jobs",
  "/api/v1/media": "media"
} as const;
