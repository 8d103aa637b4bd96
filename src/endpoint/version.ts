import manifest from "../../package.json" with { type: "json" };
import { visibleLine } from "../contract/peer-text.js";
import type { Config } from "./config.js";

/** The version of this program, for example `1.2.0`. */
export const VERSION: string = manifest.version;

/** The broker that runs has another version than this program: what is seen, and what to do about it. */
export interface OtherVersion {
  readonly seen: string;
  readonly fix: string;
  /** The line for a shell that carries it out; undefined where a person has to. */
  readonly command: string | undefined;
}

/**
 * Undefined where both are of one version. All versions work together, yet what is new in one needs
 * both. A running broker is replaced by nobody but its user.
 */
export function otherVersion(
  brokerVersion: string,
  options: {
    /** The settings, for the broker that answered: where it is the home's own, the next call starts one. */
    config: Pick<Config, "ownsBroker" | "joined">;
    /** How a person calls this program here. */
    self: string;
  },
): OtherVersion | undefined {
  if (brokerVersion === VERSION) return undefined;
  const shown = visibleLine(brokerVersion).slice(0, maxShownCharacters);
  const seen = `the broker that runs is version ${shown}, and this is ${VERSION}`;
  if (isNewer(brokerVersion)) {
    return {
      seen,
      fix: "Update this one, and restart the agents that run it",
      command: undefined,
    };
  }
  const { ownsBroker, joined } = options.config;
  if (joined !== undefined) {
    // Nobody stops it from here.
    const there = `On its machine, ${joined.endpoint.host}, update Peerline and run \`peerline stop\``;
    return { seen, fix: `${there} (${afterStop})`, command: undefined };
  }
  if (!ownsBroker)
    return { seen, fix: "Stop it, and start the installed one in its place", command: undefined };
  const command = `${options.self} stop`;
  const fix = `${command} (${afterStop})`;
  return { seen, fix, command };
}

/** Whether a version is newer than this program's, by its numbers. A text without numbers is not newer. */
function isNewer(version: string): boolean {
  const [theirs, ours] = [version, VERSION].map((text) => text.split(/[.+-]/, 3).map(Number));
  const differing = theirs?.findIndex((number, index) => number !== ours?.[index]) ?? -1;
  return (theirs?.[differing] ?? 0) > (ours?.[differing] ?? 0);
}

/** What follows when the older broker was stopped. */
export const afterStop = "the next call of an agent starts the installed one";

const maxShownCharacters = 40;
