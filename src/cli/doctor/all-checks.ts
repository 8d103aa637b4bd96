import { errnoOf } from "../../endpoint/endpoint-error.js";
import { checkAdapters, checkHomes, checkPeers } from "./check-agents.js";
import { checkBrokerLog } from "./check-broker-log.js";
import { checkBroker, checkClock, checkSettings, checkStore } from "./check-broker.js";
import { checkDatabase } from "./check-database.js";
import { checkDisk, checkFileSystem, checkWriting } from "./check-disk.js";
import { checkEngine } from "./check-engine.js";
import { checkEntries } from "./check-entries.js";
import { checkDoorbells, checkHomeFiles, checkSecrets } from "./check-home-files.js";
import { checkHome } from "./check-home.js";
import { checkHooks } from "./check-hooks.js";
import { checkConfigFiles, checkFolderTrust, checkHosts, checkPlugins } from "./check-hosts.js";
import { checkLock, checkStartClaim } from "./check-lock.js";
import { checkSharing } from "./check-sharing.js";
import { checkProgram } from "./check-program.js";
import { checkShare } from "./check-share.js";
import { checkStart } from "./check-start.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** Looks at one thing, and changes nothing. An abort ends what it has started. */
export type Check = (
  evidence: Evidence,
  signal: AbortSignal,
) => readonly Finding[] | Promise<readonly Finding[]>;

/** In the order in which people read them. */
export const allChecks: readonly Check[] = [
  checkProgram,
  checkHome,
  checkHomeFiles,
  checkDisk,
  checkFileSystem,
  checkWriting,
  checkStartClaim,
  checkSecrets,
  checkDoorbells,
  checkBroker,
  checkSettings,
  checkShare,
  checkSharing,
  checkLock,
  checkBrokerLog,
  checkDatabase,
  checkStore,
  checkEngine,
  checkClock,
  checkPeers,
  checkHomes,
  checkAdapters,
  checkHosts,
  checkConfigFiles,
  checkEntries,
  checkStart,
  checkHooks,
  checkPlugins,
  checkFolderTrust,
];

/** Everything that the checks find. A check that the system refuses does not stop the others. */
export async function runChecks(evidence: Evidence, signal: AbortSignal): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of allChecks) findings.push(...(await run(check, evidence, signal)));
  return findings;
}

async function run(
  check: Check,
  evidence: Evidence,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  signal.throwIfAborted();
  try {
    return await check(evidence, signal);
  } catch (error) {
    signal.throwIfAborted();
    // Only what the system says of a file is a finding; anything else is a defect.
    if (errnoOf(error) === undefined || !isPathError(error)) throw error;
    const fix = "Look at that path: who owns it, and who may read it";
    const seen = `it could not be looked at (${error.code})`;
    return [{ id: "not-looked", severity: "warning", subject: error.path, seen, fix }];
  }
}

function isPathError(error: unknown): error is { readonly code: string; readonly path: string } {
  return error instanceof Error && "path" in error && typeof error.path === "string";
}
