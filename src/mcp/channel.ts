import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { allHosts } from "../hosts/all-hosts.js";
import type { Channel, WakeResult } from "../hosts/host.js";

/** What a server declares that has a channel of its host, before the host has said which one it is. */
export const channelCapabilities = Object.fromEntries(
  allHosts.flatMap(({ channel }) => (channel === "none" ? [] : [[channel.capability, {}]])),
);

/** Puts a line into the host's channel of this server. A session that was not started with the channel drops it, and says nothing. */
export async function announce(
  server: Server,
  notification: ReturnType<Channel["notification"]>,
): Promise<WakeResult> {
  try {
    await server.notification(notification);
    return "sent";
  } catch {
    // The host has closed its end.
    return "refused";
  }
}
