// Uses the built TypeScript client as a frontend would, and prints what came of it as JSON.
//
//   node typescript_client.mjs EDGE_URL PARTNER_TOKEN

import { createMillrace, MillraceProblem } from "../../clients/typescript/dist/index.js";

const [baseUrl, token] = process.argv.slice(2);
const millrace = createMillrace({ baseUrl, token: async () => token });
const stranger = createMillrace({ baseUrl });
const campaign = `typescript-${crypto.randomUUID()}`;
const LINKS = "/api/v1/affiliate/links";

const made = [];
for (let number = 0; number < 5; number++) {
  made.push(await millrace.POST(LINKS, { body: { productId: "demo-01", campaign } }));
}
const listed = [];
for await (const link of millrace.paginate(LINKS, { params: { query: { campaign, pageSize: 2 } } })) listed.push(link);

const params = { path: { linkId: made[0].linkId } };
const disabled = await millrace.POST(`${LINKS}/{linkId}:disable`, { params, body: {} });
const changed = await millrace.PATCH(`${LINKS}/{linkId}`, { params, body: { campaign: `${campaign} b` } });
const read = await millrace.GET(`${LINKS}/{linkId}`, { params });

console.log(
  JSON.stringify({
    made,
    listed: listed.map(({ linkId }) => linkId),
    disabled: disabled.status,
    changed: changed.campaign === `${campaign} b`,
    read: read.linkId,
    badField: await problemOf(millrace.POST(LINKS, { body: { destinationUrl: "no address" } })),
    stranger: await problemOf(stranger.GET(LINKS)),
    forbidden: await problemOf(millrace.GET("/api/v1/affiliate/program")),
    missing: await problemOf(
      millrace.GET(`${LINKS}/{linkId}`, { params: { path: { linkId: crypto.randomUUID() } } }),
    ),
  }),
);

async function problemOf(call) {
  try {
    await call;
  } catch (problem) {
    if (!(problem instanceof MillraceProblem)) throw problem;
    const { status, code, reason, errors, requestId, message } = problem;
    return { status, code, reason, errors, requestId, message };
  }
  throw new Error("the call succeeded");
}
