import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The folder with the hosts' programs, for example `node_modules/.bin`. */
const folder = process.env["PEERLINE_HOSTS"] ?? "";

/** The path of a host's program. */
export function hostPath(host: string): string {
  return join(folder, host);
}

/** A search path on which the hosts are found first. */
export const hostsPath = [folder, process.env["PATH"] ?? ""].join(delimiter);

/** Whether a host cannot be run here; prints why. */
export function isMissing(host: string): boolean {
  const reason =
    folder === ""
      ? "PEERLINE_HOSTS names no folder with the programs of hosts"
      : existsSync(hostPath(host))
        ? undefined
        : `${folder} has no ${host}`;
  if (reason !== undefined) console.warn(`skipped: what needs ${host}, because ${reason}`);
  return reason !== undefined;
}
