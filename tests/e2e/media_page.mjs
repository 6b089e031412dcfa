// Uploads a picture as an admin's page of another origin does it, and prints what was seen as JSON.
//
//   node media_page.mjs CHROMIUM EDGE_URL ORIGIN TOKEN PICTURE FOLDER
//
// The page exists only here: every request to ORIGIN is answered with it. A screenshot is left in FOLDER.

import { createRequire } from "node:module";

// The TypeScript client's lock file pins the driver; no second lock for one package.
const { chromium } = createRequire(new URL("../../clients/typescript/", import.meta.url))("playwright-core");

const [executablePath, edge, origin, token, picture, folder] = process.argv.slice(2);
const PAGE = `<!doctype html><title>Pictures</title><input type="file"><main></main>
<style>main { display: grid; grid-template-columns: repeat(2, 300px) } img { width: 280px }</style>`;

const seen = { complaints: [] };
const browser = await chromium.launch({
  executablePath,
  chromiumSandbox: process.getuid() !== 0,
  args: [
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    // The page stands for one of the internet, which would have to ask whether it may call this machine.
    "--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessRespectPreflightResults",
  ],
});
try {
  const page = await browser.newPage({ viewport: { width: 640, height: 640 } });
  page.setDefaultTimeout(15_000);
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") seen.complaints.push(message.text());
  });
  const answer = { contentType: "text/html; charset=utf-8", body: PAGE };
  await page.route(`${origin}/**`, (route) => route.fulfill(answer));
  await page.goto(`${origin}/admin`);
  await page.locator("input").setInputFiles(picture);
  seen.origin = await page.evaluate(() => location.origin);
  Object.assign(seen, await page.evaluate(upload, { edge, token }));
  await page.screenshot({ path: `${folder}/variants.png` });
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));

/** Runs in the page: from the chosen file to the variants shown. */
async function upload({ edge, token }) {
  const [file] = document.querySelector("input").files;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  const ticket = await call("upload-url", {
    filename: file.name,
    contentType: file.type,
    contentLength: file.size,
    entityType: "product",
    entityId: crypto.randomUUID(),
    sha256: [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
  });
  const put = await fetch(ticket.uploadUrl, { method: "PUT", body: file, headers: ticket.headers });
  const record = await call("process", { mediaId: ticket.mediaId, wait: true });
  const images = await Promise.all(record.variants.map(shown));
  return { put: put.status, record, images };

  async function call(method, body) {
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const response = await fetch(`${edge}/api/v1/media/${method}`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${method}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async function shown({ name, url }) {
    const image = new Image();
    image.src = url;
    await image.decode();
    document.querySelector("main").append(image);
    return { name, width: image.naturalWidth, height: image.naturalHeight };
  }
}
