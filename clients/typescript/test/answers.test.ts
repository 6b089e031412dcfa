/** What becomes of an answer: its body, the entries of its pages, or a problem. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { createMillrace, MillraceProblem } from "@millrace/client";

import { answering, reply } from "./server.ts";

const LINKS = "/api/v1/affiliate/links";

async function problemOf(call: Promise<unknown>): Promise<MillraceProblem> {
  const error = await call.then(
    () => assert.fail("the call succeeded"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof MillraceProblem);
  return error;
}

test("a problem document becomes a problem with everything in it", async () => {
  await using server = await answering((response) =>
    reply(
      response,
      400,
      {
        type: "about:blank",
        title: "Bad Request",
        status: 400,
        detail: "destinationUrl: must be absolute",
        instance: "in-the-body",
        code: "INVALID_ARGUMENT",
        reason: "DESTINATION_NOT_ALLOWED",
        metadata: { host: "elsewhere.example", count: 1 },
        errors: [{ field: "destinationUrl", message: "must be absolute" }],
      },
      { "X-Request-Id": "in-the-header" },
    ),
  );

  const problem = await problemOf(createMillrace({ baseUrl: server.url }).GET(LINKS));

  const { name, message, status, title, code, reason, metadata, errors, requestId, retryAfterSeconds } = problem;
  assert.deepEqual(
    { name, message, status, title, code, reason, metadata, errors, requestId, retryAfterSeconds },
    {
      name: "MillraceProblem",
      message: "destinationUrl: must be absolute",
      status: 400,
      title: "Bad Request",
      code: "INVALID_ARGUMENT",
      reason: "DESTINATION_NOT_ALLOWED",
      metadata: { host: "elsewhere.example" },
      errors: [{ field: "destinationUrl", message: "must be absolute" }],
      requestId: "in-the-header",
      retryAfterSeconds: undefined,
    },
  );
});

test("a request id that the header hides is read from the document", async () => {
  await using server = await answering((response) => reply(response, 404, { title: "x", instance: "in-the-body" }));

  assert.equal((await problemOf(createMillrace({ baseUrl: server.url }).GET(LINKS))).requestId, "in-the-body");
});

for (const body of ["<h1>Bad Gateway</h1>", "", "null", "[1]", '{"errors": "none", "code": 5}', '{"errors": [null, {}]}']) {
  test(`a failure without a problem document is a problem all the same: ${body || "nothing"}`, async () => {
    await using server = await answering((response) => response.writeHead(502).end(body));

    const problem = await problemOf(createMillrace({ baseUrl: server.url }).GET(LINKS));

    assert.deepEqual([problem.status, problem.message, problem.code, problem.errors], [502, "Bad Gateway", undefined, []]);
    assert.deepEqual(problem.metadata, {});
  });
}

for (const [value, expected] of [
  ["7", 7],
  ["soon", undefined],
  ["-1", undefined],
  ["Thu, 01 Jan 2026 00:00:00 GMT", 0],
] as const) {
  test(`Retry-After: ${value}`, async () => {
    await using server = await answering((response) => reply(response, 500, {}, { "Retry-After": value }));

    assert.equal((await problemOf(createMillrace({ baseUrl: server.url }).GET(LINKS))).retryAfterSeconds, expected);
  });
}

test("pagination follows the tokens and keeps the filter", async () => {
  await using server = await answering((response, _asked, number) =>
    reply(response, 200, {
      links: [{ linkId: `${number}a` }, { linkId: `${number}b` }],
      nextPageToken: number < 3 ? `&after=${number}` : "",
    }),
  );
  const ids: string[] = [];

  const options = { params: { query: { campaign: "spring sale" } } };
  for await (const link of createMillrace({ baseUrl: server.url }).paginate(LINKS, options)) ids.push(link.linkId);

  assert.deepEqual(ids, ["1a", "1b", "2a", "2b", "3a", "3b"]);
  assert.deepEqual(
    server.asked.map(({ url }) => Object.fromEntries(new URL(url, server.url).searchParams)),
    [
      { campaign: "spring sale" },
      { campaign: "spring sale", pageToken: "&after=1" },
      { campaign: "spring sale", pageToken: "&after=2" },
    ],
  );
  assert.deepEqual(options, { params: { query: { campaign: "spring sale" } } });
});

test("pagination asks for no page that is not wanted", async () => {
  await using server = await answering((response) => reply(response, 200, { links: [{}, {}], nextPageToken: "more" }));

  for await (const _link of createMillrace({ baseUrl: server.url }).paginate(LINKS)) break;

  assert.equal(server.asked.length, 1);
});

test("pagination rejects with the problem of the page that failed", async () => {
  await using server = await answering((response, _asked, number) =>
    number === 1 ? reply(response, 200, { links: [{}], nextPageToken: "x" }) : reply(response, 400, { detail: "Expired." }),
  );
  const links = createMillrace({ baseUrl: server.url }).paginate(LINKS);

  await links.next();
  await assert.rejects(links.next(), { status: 400, message: "Expired." });
});

test("what stands in a path is encoded", async () => {
  await using server = await answering((response) => reply(response, 200, {}));

  await createMillrace({ baseUrl: `${server.url}/` }).GET("/api/v1/affiliate/links/{linkId}", {
    params: { path: { linkId: "../a b?c" } },
  });

  assert.equal(server.asked[0]!.url, `${LINKS}/..%2Fa%20b%3Fc`);
});

test("a fetch of one's own is used", async () => {
  const seen: string[] = [];
  const fetch = async (request: Request) => {
    seen.push(request.url);
    return Response.json({ links: [], nextPageToken: "" });
  };

  await createMillrace({ baseUrl: "http://millrace.example", fetch }).GET(LINKS);

  assert.deepEqual(seen, [`http://millrace.example${LINKS}`]);
});
