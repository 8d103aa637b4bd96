import { allHosts } from "../hosts/all-hosts.js";

/** What a server declares that has a channel of its host, before the host has said which one it is. */
export const channelCapabilities = Object.fromEntries(
  allHosts.flatMap(({ channel }) => (channel === "none" ? [] : [[channel.capability, {}]])),
);
