import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type { WakeResult } from "../hosts/host.js";

/** What a server that has a channel of Claude Code declares. */
export const channelCapability = { "claude/channel": {} };

/**
 * Puts a line into Claude Code's channel of this server. A session that was not started with the channel
 * drops it, and says nothing.
 */
export async function announce(server: Server, line: string): Promise<WakeResult> {
  const params = { content: line, meta: { kind: "doorbell" } };
  try {
    await server.notification({ method: "notifications/claude/channel", params });
    return "sent";
  } catch {
    // The host has closed its end.
    return "refused";
  }
}
