import { checkAdapters } from "./check-adapters.js";
import { checkBroker } from "./check-broker.js";
import { checkBrokerLog } from "./check-broker-log.js";
import { checkClock } from "./check-clock.js";
import { checkConfigFiles } from "./check-config-files.js";
import { checkDatabase } from "./check-database.js";
import { checkDisk } from "./check-disk.js";
import { checkDoorbells } from "./check-doorbells.js";
import { checkEntries } from "./check-entries.js";
import { checkFolderTrust } from "./check-folder-trust.js";
import { checkHome } from "./check-home.js";
import { checkHomeFiles } from "./check-home-files.js";
import { checkHomes } from "./check-homes.js";
import { checkHooks } from "./check-hooks.js";
import { checkHosts } from "./check-hosts.js";
import { checkLock } from "./check-lock.js";
import { checkPeers } from "./check-peers.js";
import { checkPlugins } from "./check-plugins.js";
import { checkProgram } from "./check-program.js";
import { checkSecrets } from "./check-secrets.js";
import { checkStart } from "./check-start.js";
import { checkStartClaim } from "./check-start-claim.js";
import { checkStore } from "./check-store.js";
import { checkWriting } from "./check-writing.js";
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
  checkWriting,
  checkStartClaim,
  checkSecrets,
  checkDoorbells,
  checkBroker,
  checkLock,
  checkBrokerLog,
  checkDatabase,
  checkStore,
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
