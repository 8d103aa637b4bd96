import { existsSync } from "node:fs";
import type { UserPlaces } from "../endpoint/config.js";
import { findProgram } from "../endpoint/find-program.js";
import { allHosts } from "./all-hosts.js";
import type { Host, HostClient } from "./host.js";
import { usualMaxResultBytes, usualMaxWaitMs } from "./limits.js";

/** The hosts on this machine: installed, or used by this user before. */
export function findHosts(places: UserPlaces): Host[] {
  return allHosts.filter(
    (host) =>
      host.programs.some((program) => findProgram(program, places.programs) !== undefined) ||
      host.traces(places).some((path) => existsSync(path)),
  );
}

/** The host of this name, or of a program of this name. */
export function hostNamed(name: string): Host | undefined {
  return allHosts.find((host) => host.name === name || host.programs.includes(name));
}

/**
 * The host that a client says it is. Only `clientInfo` counts: the environment is inherited, so that
 * one host started from another's shell carries the other's variables.
 */
export function recogniseHost(clientName: string): HostClient {
  return allHosts.find((host) => host.isClient(clientName)) ?? unknownHost(clientName);
}

function unknownHost(name: string): HostClient {
  return {
    name,
    isClient: (clientName) => clientName === name,
    conversationOfProcess: () => undefined,
    conversationOfCall: () => undefined,
    sharesProcess: true,
    wake: "none",
    channel: "none",
    maxWaitMs: usualMaxWaitMs,
    maxResultBytes: usualMaxResultBytes,
  };
}
