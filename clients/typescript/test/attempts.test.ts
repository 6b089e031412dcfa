/** How often the client asks, how long it waits, and what it sends along. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { createMillrace, MillraceProblem } from "@millrace/client";

import { answering, reply, type Answering } from "./server.ts";

const LINKS = "/api/v1/affiliate/links";
const PAGE = { links: [], nextPageToken: "" };
const BUSY = { title: "Service Unavailable", status: 503, detail: "Busy.", code: "UNAVAILABLE" };

const refusedTimes =
  (times: number, status = 503, headers: Record<string, string> = {}): Answering =>
  (response, _asked, number) =>
    number <= times ? reply(response, status, BUSY, headers) : reply(response, 200, PAGE);

test("a GET is sent again while the server is unavailable", async () => {
  await using server = await answering(refusedTimes(2));

  assert.deepEqual(await createMillrace({ baseUrl: server.url }).GET(LINKS), PAGE);
  assert.equal(server.asked.length, 3);
});

test("after the third attempt the problem is the caller's", async () => {
  await using server = await answering(refusedTimes(9));

  await assert.rejects(createMillrace({ baseUrl: server.url }).GET(LINKS), { status: 503, message: "Busy." });
  assert.equal(server.asked.length, 3);
});

test("a pause is never shorter than Retry-After", async () => {
  await using server = await answering(refusedTimes(1, 429, { "Retry-After": "1" }));

  await createMillrace({ baseUrl: server.url }).GET(LINKS);

  const [first, second] = server.asked;
  assert.ok(second!.at - first!.at >= 995);
});

test("a pause that would outlast the time allowed is not begun", async () => {
  await using server = await answering(refusedTimes(1, 503, { "Retry-After": "60" }));
  const started = performance.now();

  const call = createMillrace({ baseUrl: server.url, timeoutMs: 5_000 }).GET(LINKS);

  await assert.rejects(call, { status: 503, retryAfterSeconds: 60 });
  assert.ok(performance.now() - started < 4_000);
});

test("what creates something is sent once", async () => {
  await using server = await answering(refusedTimes(9));

  const call = createMillrace({ baseUrl: server.url }).POST(LINKS, { body: { productId: "demo-01" } });

  await assert.rejects(call, { status: 503 });
  assert.equal(server.asked.length, 1);
});

test("what the document calls repeatable is sent again, with the same body", async () => {
  await using server = await answering(refusedTimes(1));

  await createMillrace({ baseUrl: server.url }).POST("/api/v1/affiliate/links/{linkId}:disable", {
    params: { path: { linkId: "0190" } },
    body: {},
  });

  assert.deepEqual(
    server.asked.map(({ method, url, body }) => [method, url, body]),
    Array(2).fill(["POST", `${LINKS}/0190:disable`, "{}"]),
  );
});

test("other failures are not repeated", async () => {
  await using server = await answering(refusedTimes(9, 500));

  await assert.rejects(createMillrace({ baseUrl: server.url }).GET(LINKS), { status: 500 });
  assert.equal(server.asked.length, 1);
});

test("a token is asked for before every attempt", async () => {
  await using server = await answering(refusedTimes(2));
  let number = 0;

  await createMillrace({ baseUrl: server.url, token: async () => `token-${++number}` }).GET(LINKS);

  assert.deepEqual(
    server.asked.map(({ headers }) => headers.authorization),
    ["Bearer token-1", "Bearer token-2", "Bearer token-3"],
  );
});

test("without a token no credential is sent", async () => {
  await using server = await answering(refusedTimes(0));

  await createMillrace({ baseUrl: server.url }).GET(LINKS);

  assert.equal(server.asked[0]!.headers.authorization, undefined);
});

test("a call ends when its time is up", { timeout: 5_000 }, async () => {
  await using server = await answering(() => {});

  await assert.rejects(createMillrace({ baseUrl: server.url, timeoutMs: 50 }).GET(LINKS), { name: "TimeoutError" });
});

test("the time covers waiting for a token too", { timeout: 5_000 }, async () => {
  await using server = await answering(refusedTimes(0));
  const millrace = createMillrace({ baseUrl: server.url, timeoutMs: 50, token: () => new Promise<string>(() => {}) });

  await assert.rejects(millrace.GET(LINKS), { name: "TimeoutError" });

  const leaving = new AbortController();
  setTimeout(() => leaving.abort(new Error("closed the page")), 20);
  await assert.rejects(millrace.GET(LINKS, { timeoutMs: 4_000, signal: leaving.signal }), { message: "closed the page" });
  assert.equal(server.asked.length, 0);
});

test("a token that cannot be had is the caller's own error", async () => {
  const token = () => {
    throw new Error("signed out");
  };

  await assert.rejects(createMillrace({ baseUrl: "http://millrace.example", token }).GET(LINKS), { message: "signed out" });
});

test("a call's own time replaces the client's", { timeout: 5_000 }, async () => {
  await using server = await answering(() => {});
  const millrace = createMillrace({ baseUrl: server.url, timeoutMs: 60_000 });

  await assert.rejects(millrace.GET(LINKS, { timeoutMs: 50 }), { name: "TimeoutError" });
});

test("the time covers reading the answer too", { timeout: 5_000 }, async () => {
  await using server = await answering((response) => response.writeHead(200).write("{"));

  await assert.rejects(createMillrace({ baseUrl: server.url, timeoutMs: 100 }).GET(LINKS), { name: "TimeoutError" });
});

test("a caller who aborts gets its own reason, also during a pause", async () => {
  await using server = await answering(refusedTimes(1, 503, { "Retry-After": "5" }));
  const leaving = new AbortController();
  setTimeout(() => leaving.abort(new Error("closed the page")), 100);

  const call = createMillrace({ baseUrl: server.url }).GET(LINKS, { signal: leaving.signal });

  await assert.rejects(call, { message: "closed the page" });
  assert.equal(server.asked.length, 1);
});

test("no answer at all is the platform's own error", async () => {
  const server = await answering(() => {});
  await server[Symbol.asyncDispose]();

  await assert.rejects(createMillrace({ baseUrl: server.url }).GET(LINKS), (error) => !(error instanceof MillraceProblem));
});
