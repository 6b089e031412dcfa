/** A server that answers as a test tells it to and remembers what it was asked. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly at: number;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type Answering = (response: ServerResponse, asked: Asked, number: number) => void;

export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly asked: Asked[];
}

/** Starts one on a free loopback port. `answer` gets the number of the request, from 1. */
export async function answering(answer: Answering): Promise<Server> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const at = performance.now();
    let body = "";
    for await (const chunk of request) body += chunk;
    const { method = "", url = "", headers } = request;
    asked.push({ at, method, url, headers, body });
    answer(response, asked.at(-1)!, asked.length);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** Answers with JSON. */
export function reply(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  const type = status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "Content-Type": type, ...headers }).end(JSON.stringify(body));
}
