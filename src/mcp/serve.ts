import type { Readable, Writable } from "node:stream";
import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { EmptyResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { StdioTransport, type TransportObserver } from "./stdio-transport.js";
import { watchHost } from "./host-watch.js";

/** A host's side of an MCP server. */
export interface HostStreams {
  /** What the host writes, and what it reads. */
  readonly input: Readable;
  readonly output: Writable;
  /** The process that is this one's parent now. */
  readonly parentPid: () => number;
  /** Asks the server to end. */
  readonly signal: AbortSignal;
  /** Takes one line for whoever looks into the host's log. */
  readonly log: (line: string) => void;
}

/** Serves until the host closes a stream, `signal` aborts, or the host is gone. */
export async function serve(
  server: Server,
  { input, output, parentPid, signal, log }: HostStreams,
  observer: TransportObserver,
): Promise<void> {
  const transport = new StdioTransport(input, output, observer);
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's server is no EventTarget
  server.onerror = (error) => log(error.message);
  const close = (): void => void transport.close();
  signal.addEventListener("abort", close);
  if (signal.aborted) close();
  await server.connect(transport);
  const stopWatching = watchHost({
    parentPid,
    ask: (timeout) => server.request({ method: "ping" }, EmptyResultSchema, { timeout }),
    onLost: () => {
      log("the host is gone: its process ended and it answers no ping");
      close();
    },
  });
  await transport.closed;
  stopWatching();
  signal.removeEventListener("abort", close);
}
