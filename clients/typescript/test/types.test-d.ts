/** What the compiler must accept and refuse. Never run: `npm run check` fails when an expectation does not hold. */

import { createMillrace, MillraceProblem, type Link } from "@millrace/client";

const millrace = createMillrace({ baseUrl: "http://127.0.0.1:8080", token: async () => "a token" });

export async function accepted(): Promise<void> {
  const link: Link = await millrace.POST("/api/v1/affiliate/links", {
    body: { productId: "demo-01", forwardQuery: true },
    timeoutMs: 500,
    signal: new AbortController().signal,
  });
  const same: Link = await millrace.GET("/api/v1/affiliate/links/{linkId}", {
    params: { path: { linkId: link.linkId } },
  });
  await millrace.GET("/api/v1/affiliate/links");
  await millrace.GET("/api/v1/affiliate/links", { params: { query: { pageSize: 5, status: "ACTIVE" } } });
  await millrace.PATCH("/api/v1/affiliate/links/{linkId}", {
    params: { path: { linkId: same.linkId } },
    body: { campaign: "spring" },
  });
  for await (const each of millrace.paginate("/api/v1/affiliate/links")) {
    const code: string = each.shortCode;
    void code;
  }
  for await (const product of millrace.paginate("/api/v1/catalog/products", { params: { query: { pageSize: 2 } } })) {
    const name: string = product.name;
    void name;
  }
}

export async function refused(): Promise<void> {
  // @ts-expect-error: there is no such path
  await millrace.GET("/api/v1/affiliate/link");
  // @ts-expect-error: the path has no such method
  await millrace.DELETE("/api/v1/affiliate/links");
  // @ts-expect-error: the body has no such field
  await millrace.POST("/api/v1/affiliate/links", { body: { productID: "demo-01" } });
  // @ts-expect-error: the field is a string
  await millrace.POST("/api/v1/affiliate/links", { body: { productId: 1 } });
  // @ts-expect-error: the field is the server's to set
  await millrace.POST("/api/v1/affiliate/links", { body: { shortCode: "abc" } });
  // @ts-expect-error: a page for people is not for programs
  await millrace.GET("/api/docs");
  // @ts-expect-error: the path's parameter is missing
  await millrace.GET("/api/v1/affiliate/links/{linkId}");
  // @ts-expect-error: the parameter has another name
  await millrace.GET("/api/v1/affiliate/links/{linkId}", { params: { path: { link_id: "x" } } });
  // @ts-expect-error: the query has no such parameter
  await millrace.GET("/api/v1/affiliate/links", { params: { query: { pagesize: 5 } } });
  // @ts-expect-error: there is no such status
  await millrace.GET("/api/v1/affiliate/links", { params: { query: { status: "SLEEPING" } } });
  // @ts-expect-error: there is no such setting
  await millrace.GET("/api/v1/affiliate/links", { retries: 5 });
  // @ts-expect-error: the path does not answer in pages
  millrace.paginate("/api/v1/affiliate/program");
  for await (const link of millrace.paginate("/api/v1/affiliate/links")) {
    // @ts-expect-error: a link has no such field
    void link.sku;
  }
  const page = await millrace.GET("/api/v1/affiliate/links");
  // @ts-expect-error: nor has a page
  void page.products;
  // @ts-expect-error: an address is needed
  createMillrace({ token: "a token" });
}

export function read(problem: MillraceProblem): string | undefined {
  const status: number = problem.status;
  const fields: string[] = problem.errors.map(({ field, message }) => `${field}: ${message}`);
  // @ts-expect-error: a problem is not changed
  problem.status = 200;
  void [status, fields];
  return problem.reason ?? problem.code ?? problem.requestId;
}
