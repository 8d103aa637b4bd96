import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createClient, openChannel, type Channel, type Client } from "../../src/rpc/client.js";
import type { OpenBounds } from "../../src/rpc/open-streams.js";
import {
  createServer,
  serve,
  type RpcServer,
  type ServedService,
  type ServiceImpl,
} from "../../src/rpc/server.js";
import { aborted } from "./aborted.js";
import { collect } from "./collect.js";
import { EchoService } from "./gen/echo_pb.js";

export interface EchoServer {
  readonly address: string;
  readonly server: RpcServer;
  readonly channel: Channel;
  readonly client: Client<typeof EchoService>;
  /** What `onDefect` heard. */
  readonly defects: { error: unknown; method: string }[];
  /** What `onBound` heard. */
  readonly bounds: string[];
}

/** An echo server, by default on a socket of its own, and a client of it; both are gone when the test ends. */
export async function startEcho(
  handlers: Partial<ServiceImpl<typeof EchoService>> = {},
  options: {
    address?: string;
    others?: readonly ServedService[];
    bounds?: Partial<OpenBounds>;
  } = {},
): Promise<EchoServer> {
  const address = options.address ?? (await temporaryAddress());
  const defects: EchoServer["defects"] = [];
  const bounds: string[] = [];
  const server = createServer({
    services: [serve(EchoService, { ...echo, ...handlers }), ...(options.others ?? [])],
    onDefect: (error, method) => defects.push({ error, method }),
    onBound: (words) => bounds.push(words),
    bounds: options.bounds ?? {},
  });
  await server.listen(address);
  const { channel, client } = openEcho(address);
  onTestFinished(() => server.stop(0));
  return { address, server, channel, client, defects, bounds };
}

/** A client of the echo service, closed when the test ends. */
export function openEcho(address: string): Pick<EchoServer, "channel" | "client"> {
  const channel = openChannel(address);
  onTestFinished(() => channel.close());
  return { channel, client: createClient(EchoService, channel) };
}

/** Of a socket that does not exist yet, in a directory that is removed when the test ends. */
export async function temporaryAddress(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "rpc-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return `unix:${join(directory, "s")}`;
}

/** Handles Repeat by one response, and then by waiting for the end of the call. */
export function quiet(onEnd: () => void = () => {}): ServiceImpl<typeof EchoService>["repeat"] {
  return async function* (_request, { signal }) {
    try {
      yield { text: "started" };
      await aborted(signal);
    } finally {
      onEnd();
    }
  };
}

/** Handles Echo by waiting for the end of the call. */
export function stuck(
  onStart: (signal: AbortSignal) => void,
): ServiceImpl<typeof EchoService>["echo"] {
  return async (_request, { signal }) => {
    onStart(signal);
    await aborted(signal);
    throw signal.reason;
  };
}

/** Requests of Join or Chat. */
export async function* texts(...items: string[]): AsyncGenerator<{ text: string }> {
  for (const text of items) yield { text };
}

export const echo: ServiceImpl<typeof EchoService> = {
  echo: async ({ text }) => ({ text }),
  async *repeat({ text, count }) {
    for (let index = 0; index < count; index++) yield { text, index };
  },
  join: async (requests) => {
    const received = await collect(requests);
    return { text: received.map(({ text }) => text).join(" ") };
  },
  async *chat(requests) {
    for await (const { text } of requests) yield { text };
  },
};
