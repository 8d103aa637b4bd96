import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** A NATS server that can be started. */
export interface NatsProgram {
  /** Such as "2.10.27". */
  readonly version: string;
  readonly path: string;
}

/** The folder with a folder for each version, as `.ci/nats-servers` makes it. */
const folder = process.env["PEERLINE_NATS"] ?? "";

/** The version that is tested against where no other is named: Debian keeps it. */
export const usualNats = "2.10";

/** Those that are here, the oldest first. */
export function findNatsServers(): NatsProgram[] {
  if (folder === "" || !existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^\d+\.\d+\.\d+$/.test(name))
    .map((version) => ({ version, path: join(folder, version, "nats-server") }))
    .filter(({ path }) => existsSync(path))
    .toSorted((a, b) => byVersion(a.version, b.version));
}

/** The newest whose version is this one or begins with it, such as "2.10"; `newest`: of all. */
export function natsServer(version: string = usualNats): NatsProgram {
  const found = findNatsServers().findLast((program) => isOf(version, program));
  if (found === undefined) throw new Error(whyNone(version));
  return found;
}

/** Whether no such NATS server is here; prints why. For `test.skipIf`. */
export function isNatsMissing(version: string = usualNats): boolean {
  const why = whyNatsIsMissing(version);
  if (why !== undefined) console.warn(`skipped: what needs a NATS server, because ${why}`);
  return why !== undefined;
}

/** Why no such NATS server is here; undefined where one is. */
export function whyNatsIsMissing(version: string = usualNats): string | undefined {
  const isHere = findNatsServers().some((program) => isOf(version, program));
  return isHere ? undefined : whyNone(version);
}

function isOf(wanted: string, { version }: NatsProgram): boolean {
  return wanted === "newest" || version === wanted || version.startsWith(`${wanted}.`);
}

function whyNone(version: string): string {
  if (folder === "")
    return 'PEERLINE_NATS names no folder with NATS servers: see ".ci/nats-servers"';
  return `${folder} has no NATS server ${version}`;
}

function byVersion(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
