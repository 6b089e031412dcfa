// Reads and tries /api/docs as a person would, and prints what was seen as JSON.
//
//   node documents_page.mjs CHROMIUM EDGE_URL TOKEN FOLDER
//
// Screenshots are left in FOLDER.

import { createRequire } from "node:module";

// The TypeScript client's lock file pins the driver; no second lock for one package.
const { chromium } = createRequire(new URL("../../clients/typescript/", import.meta.url))("playwright-core");

const [executablePath, edge, token, folder] = process.argv.slice(2);
const LISTING = "#operations-AffiliateService-AffiliateService_ListLinks";
const CREATING = "#operations-AffiliateService-AffiliateService_CreateLink";
const STORING = "#operations-CatalogService-CatalogService_UpsertProduct";
const EXPECTED = [
  // Chromium's own note on an answer like 401, which this visit asks for.
  "Failed to load resource: the server responded with a status",
  // Swagger UI takes the underscore of every operation's id for an old way to write a space.
  "Deprecated: escaping deep link whitespace",
];

const seen = { requests: [], complaints: [] };
const browser = await chromium.launch({
  executablePath,
  chromiumSandbox: process.getuid() !== 0,
  // No name resolves: what asks for an outside host fails, whoever asks.
  args: ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  page.setDefaultTimeout(15_000);
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  page.on("console", (message) => {
    const isExpected = EXPECTED.some((beginning) => message.text().startsWith(beginning));
    if (message.type() === "error" && !isExpected) seen.complaints.push(message.text());
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`refused ${event.blockedURI}`));
  });

  await page.goto(`${edge}/api/docs`);
  await page.locator(".opblock").first().waitFor();
  seen.title = await page.title();
  seen.operations = await page.locator(".opblock").count();
  await shoot("top");

  seen.withoutToken = await tried(LISTING);
  await page.locator(`${LISTING} .live-responses-table`).scrollIntoViewIfNeeded();
  await shoot("error");

  await page.locator(".auth-wrapper .authorize").first().click();
  await page.locator(".auth-container input").fill(token);
  await shoot("token");
  await page.locator(".auth-btn-wrapper .authorize").click();
  await page.locator(".auth-btn-wrapper .btn-done").click();
  seen.withToken = await tried(LISTING);
  await shoot("tried", { fullPage: true });

  await page.locator(`${LISTING} .opblock-summary-control`).click();
  await page.locator(`${CREATING} .opblock-summary-control`).click();
  await page.locator(`${CREATING} .response`).first().waitFor();
  seen.example = await page.locator(`${CREATING} .body-param__text`).inputValue();
  seen.answerExample = await page.locator(`${CREATING} .response[data-code="200"] .highlight-code`).innerText();
  await page.locator(`${STORING} .opblock-summary-control`).click();
  seen.productExample = await page.locator(`${STORING} .body-param__text`).inputValue();
  await page.emulateMedia({ colorScheme: "dark" });
  await page.locator("html.dark-mode").waitFor();
  seen.dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await shoot("operation", { fullPage: true });

  await page.goto(`${edge}/api/docs#/CatalogService/CatalogService_ListProducts`);
  await page.reload();
  await page.locator("#operations-CatalogService-CatalogService_ListProducts.is-open").waitFor();
  seen.linkedOperation = await page.locator(".opblock.is-open").getAttribute("id");
  seen.tokenIsKept = (await page.locator(".auth-wrapper .authorize.locked").count()) > 0;

  async function shoot(name, options = {}) {
    await page.screenshot({ path: `${folder}/${name}.png`, ...options });
  }

  /** Opens the operation when it is closed, executes it, and reads what the page then shows. */
  async function tried(selector) {
    const operation = page.locator(selector);
    const isOpen = await operation.evaluate((element) => element.classList.contains("is-open"));
    if (!isOpen) await operation.locator(".opblock-summary-control").click();
    const answered = page.waitForResponse((response) => new URL(response.url()).pathname.startsWith("/api/v1/"));
    await operation.getByRole("button", { name: "Execute" }).click();
    const response = await answered;
    const live = operation.locator(".live-responses-table .response").filter({ hasText: String(response.status()) });
    await live.waitFor();
    const [body, headers] = await live.locator(".microlight").allInnerTexts();
    return { status: response.status(), shown: await live.innerText(), body, headers };
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
