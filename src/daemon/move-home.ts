import { StoreError } from "../broker/store/store.js";
import type { Config } from "../endpoint/config.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import { noteHolder } from "../endpoint/process-stamp.js";
import { setStoreSetting } from "../endpoint/set-store.js";
import { readStoreSettings } from "../endpoint/store-settings.js";
import { moveRecords, type MoveProof } from "../store/move-records.js";
import { loadLock } from "./load-lock.js";
import { openSource, openTarget } from "./moving-place.js";
import { openOwnHome, refuseForeignHome } from "./own-home.js";

export interface HomeMove {
  readonly from: string;
  readonly to: string;
  readonly proof: MoveProof;
  /** The settings of the home, and whether they name the new store now. */
  readonly settingsPath: string;
  readonly isSwitched: boolean;
}

/**
 * Moves what a home's broker keeps into another store, and leaves the old one as it is:
 *
 * 1. Take the home's lock. A broker that runs has it: HOME_SERVED.
 * 2. Copy every record into a target that is empty, and is used by nobody until step 4.
 * 3. Read both and compare them.
 * 4. Where they hold the same, keep the target. With `switches` the home's settings name it from then on.
 *
 * A kill at any moment leaves the source as it was, and the target unused. MOVE_FAILED says why it did not begin.
 */
export async function moveHome(options: {
  config: Config;
  /** As the line `store` of the settings has it. */
  to: string;
  again: boolean;
  switches: boolean;
  onPage: (records: number) => void;
}): Promise<HomeMove> {
  process.umask(0o077);
  const { config, to, again, switches, onPage } = options;
  const home = openOwnHome(config);
  refuseForeignHome(home.path);
  const { settingsPath } = home;
  const [before, after] = [
    await readStoreSettings(settingsPath),
    await readStoreSettings(settingsPath, to),
  ];
  if (before.technology === after.technology) {
    const words = `The store of ${home.path} is ${before.technology} already.`;
    throw new EndpointError("MOVE_FAILED", words);
  }
  const { takeLock } = await loadLock();
  using lock = takeLock(home.lockPath);
  if (lock === undefined) {
    const fix =
      "end the agents that use it, which start it again, run `peerline stop`, and then this";
    throw new EndpointError("HOME_SERVED", `A broker serves ${home.path}: ${fix}.`);
  }
  const holder = noteHolder(home.holderPath);
  try {
    await using source = await openSource(home, before);
    await using target = await openTarget(home, after, { again });
    const proof = await moveRecords({ from: source.records, to: target.records, onPage });
    const isProven = proof.different.length === 0;
    if (isProven) await target.keep();
    const isSwitched = isProven && switches;
    if (isSwitched) await setStoreSetting(settingsPath, to);
    return { from: source.words, to: target.words, proof, settingsPath, isSwitched };
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause;
    throw new EndpointError("MOVE_FAILED", cause.message, { cause });
  } finally {
    holder[Symbol.dispose]();
  }
}
