import type { Readable, Writable } from "node:stream";
import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { EmptyResultSchema } from "@modelcontextprotocol/sdk/types.js";
import type { Unread } from "../client/inbox.js";
import { systemClock } from "../clock.js";
import { hostAnswerMs, hostCheckMs } from "./limits.js";
import { StdioTransport, type TransportObserver } from "./stdio-transport.js";
import { makeFailure, createToolServer } from "./tool-server.js";

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

/**
 * Serves an agent whose settings cannot be used: each call says why. A server that ended instead would
 * show only that its connection was closed.
 */
export async function serveProblem(problem: string, streams: HostStreams): Promise<void> {
  streams.log(problem);
  const sentence = `Peerline cannot be used here: ${problem} Tell your user: it is set where this MCP server is configured, or in the environment.`;
  const server = createToolServer(async () => makeFailure(sentence, nothing), {
    instructions: sentence,
  });
  await serve(server, streams, { received: () => {}, written: () => {} });
}

const nothing: Unread = { count: 0, senders: [] };

/**
 * Tells when the host is gone although nobody closed the adapter's streams: a process beside the adapter may
 * have inherited the host's end of them, and holds it open.
 *
 * 1. It looks now and then whether the parent that started the adapter is still its parent.
 * 2. A parent that is gone proves nothing: it may have been a wrapper, such as a shell. So it asks the host.
 * 3. Where no answer comes in time, the host is gone: `onLost` is called, once.
 *
 * Returns what ends the watch.
 */
export function watchHost(options: {
  /** The process that is the parent now. */
  parentPid: () => number;
  /** Asks the host for an answer; rejects when none came within this time. */
  ask: (timeoutMs: number) => Promise<unknown>;
  onLost: () => void;
}): () => void {
  const { parentPid, ask, onLost } = options;
  const firstParent = parentPid();
  let isStopped = false;
  const lookLater = (): Disposable => systemClock.after(hostCheckMs, () => void look());
  const look = async (): Promise<void> => {
    try {
      if (parentPid() !== firstParent) await ask(hostAnswerMs);
    } catch {
      onLost();
      return;
    }
    if (!isStopped) timer = lookLater();
  };
  let timer = lookLater();
  return () => {
    isStopped = true;
    timer[Symbol.dispose]();
  };
}
