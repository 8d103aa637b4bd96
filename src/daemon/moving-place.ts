import { existsSync, rmSync } from "node:fs";
import { StoreError } from "../broker/store/store.js";
import type { MovableStore, RecordStore } from "../broker/store/transfer.js";
import { systemClock } from "../clock.js";
import { renameDurably } from "../durable-file.js";
import { readBrokerSettings } from "../endpoint/broker-settings.js";
import type { Home } from "../endpoint/home.js";
import { storeRows, type NatsSettings, type StoreSettings } from "../endpoint/store-settings.js";
import { VERSION } from "../endpoint/version.js";
import { storeLimitsOf } from "../store/limits.js";
import { requireEmpty } from "../store/move-records.js";
import { openSqliteStore } from "../store/sqlite/sqlite-store.js";

/** Where records are, or are to go. Nobody serves it meanwhile. */
export interface MovingPlace extends AsyncDisposable {
  /** For people, for example `SQLite, /home/ada/.peerline/peerline.db`. */
  readonly words: string;
  readonly records: RecordStore;
}

/** What is brought there is used by nobody, until it is kept. */
export interface MovingTarget extends MovingPlace {
  keep(): Promise<void>;
}

/** CONFLICT where there is nothing to move, or a broker serves it. */
export async function openSource(home: Home, settings: StoreSettings): Promise<MovingPlace> {
  if (settings.technology === "nats") {
    const { openNatsSource } = await import("../store/nats/nats-records.js");
    const source = await openNatsSource(await natsPlace(home, settings));
    return { ...source, words: natsWords(settings) };
  }
  const path = home.databasePath;
  if (!existsSync(path))
    throw new StoreError("CONFLICT", `There is nothing to move: ${path} is not there.`);
  const store = await openUnpruned(path);
  return { words: sqliteWords(path), records: store.records, ...disposing(store) };
}

/**
 * CONFLICT where something is there. What a move that was interrupted has left is not in the way where it is a
 * file of the home, which nobody else can be filling. Elsewhere it is removed only with `again`.
 */
export async function openTarget(
  home: Home,
  settings: StoreSettings,
  { again }: { again: boolean },
): Promise<MovingTarget> {
  if (settings.technology === "nats") {
    const { openNatsTarget } = await import("../store/nats/nats-records.js");
    const begun = `at ${new Date(systemClock.now()).toISOString()} from ${home.path}`;
    const target = await openNatsTarget(await natsPlace(home, settings), { again, begun });
    return { ...target, words: natsWords(settings) };
  }
  const path = home.databasePath;
  if (existsSync(path)) await requireNoMail(path);
  const draft = `${path}.moving`;
  removeDatabase(draft);
  const store = await openUnpruned(draft);
  return {
    words: sqliteWords(path),
    records: store.records,
    ...disposing(store),
    async keep() {
      // The last one to close a database brings its WAL home.
      await store[Symbol.asyncDispose]();
      removeDatabase(path);
      renameDurably(draft, path);
    },
  };
}

async function requireNoMail(path: string): Promise<void> {
  const present = await openUnpruned(path);
  try {
    await requireEmpty(present.records);
  } catch (cause) {
    if (!(cause instanceof StoreError) || cause.code !== "CONFLICT") throw cause;
    const fix = `Move it away first: mv '${path}' '${path}.before'`;
    throw new StoreError("CONFLICT", `${path} is in the way. ${cause.message} ${fix}`, { cause });
  } finally {
    await present[Symbol.asyncDispose]();
  }
}

/** A move takes what is there, however old. */
function openUnpruned(path: string): Promise<MovableStore> {
  const limits = { retentionMs: Number.MAX_SAFE_INTEGER };
  return openSqliteStore({ path, clock: systemClock, limits });
}

function disposing(store: AsyncDisposable): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

/** The WAL goes last: without its database it would be taken for all that is left of one. */
function removeDatabase(path: string): void {
  for (const suffix of ["-wal", "-shm", "-journal", ""]) rmSync(path + suffix, { force: true });
}

async function natsPlace(home: Home, settings: NatsSettings) {
  const { readNatsAccess } = await import("../endpoint/nats-access.js");
  const nats = await readNatsAccess(settings, systemClock.now());
  const { maxMailBytes: mailBytes } = storeLimitsOf(await readBrokerSettings(home.settingsPath));
  return { nats, version: VERSION, clock: systemClock, mailBytes };
}

function sqliteWords(path: string): string {
  return `SQLite, ${path}`;
}

function natsWords(settings: NatsSettings & { technology: "nats" }): string {
  return `NATS, ${storeRows(settings).store}, prefix ${settings.prefix}`;
}
