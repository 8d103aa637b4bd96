import type { Unread } from "../client/inbox.js";
import { makeFailure } from "./result.js";
import { serve, type HostStreams } from "./serve.js";
import { createToolServer } from "./tool-server.js";

/**
 * Serves an agent whose settings cannot be used: each call says why. A server that ended instead would
 * show only that its connection was closed.
 */
export async function serveProblem(problem: string, streams: HostStreams): Promise<void> {
  streams.log(problem);
  const sentence = `Peerline cannot be used here: ${problem} Tell your user: it is set where this MCP server is configured, or in the environment.`;
  const server = createToolServer(async () => makeFailure(sentence, nothing), {
    hasChannel: false,
    instructions: sentence,
  });
  await serve(server, streams, { received: ignore, written: ignore });
}

const nothing: Unread = { count: 0, senders: [] };

function ignore(): void {}
