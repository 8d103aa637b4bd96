import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import Database from "libsql";
import { MessageSchema } from "../../../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../../../broker/store/store.js";
import { systemClock } from "../../../clock.js";
import { renameDurably, sync } from "../../../durable-file.js";
import { lostFile, toStoreError } from "../failure.js";
import { maxSalvagedDamaged } from "../limits.js";
import { migrate } from "../migrate.js";
import { forgottenDelivery } from "../receipts.js";
import { applicationId, migrations } from "../schema.js";
import { withFile } from "../store-file.js";
import { NewRows } from "./new-rows.js";
import { PageFile } from "./page-reader.js";
import { recognise, type SalvagedRow } from "./salvaged-row.js";

/**
 * Makes a new database from what can be read of a damaged one, and keeps the damaged file beside it. Says
 * in words what became of the rows. Where no row of ours can be read, it throws `refusal`.
 *
 * 1. Copy every row that can be read into a file of another name, and sync it.
 * 2. Rename that file to `NAME.salvaged-TIME`. From here on it is the database, whatever happens.
 * 3. Rename the damaged file and its WAL to `NAME.damaged-TIME`, and the new one to `NAME`.
 *
 * Nobody else may use the home meanwhile.
 */
export function salvage(path: string, refusal: StoreError): string {
  const time = new Date(systemClock.now()).toISOString().replaceAll(/[-:.]/g, "");
  const partPath = `${path}.salvage`;
  let salvaged: Salvaged;
  try {
    remove(partPath);
    salvaged = copyRows(path, partPath);
    if (!salvaged.isOurs) throw lostFile(refusal);
    renameDurably(partPath, `${path}.salvaged-${time}`);
  } catch (error) {
    remove(partPath);
    const known = toStoreError(error);
    if (known === undefined || known === error) throw error;
    throw new StoreError(known.code, `${refusal.message} It is not salvaged: ${known.message}`);
  }
  const damagedPath = finishSalvage(path);
  return `${refusal.message} ${describe(salvaged)} The damaged file is kept as ${damagedPath}.`;
}

function remove(partPath: string): void {
  for (const suffix of ["", "-journal"]) rmSync(partPath + suffix, { force: true });
}

/** Does step 3, if there is a salvaged database. Returns where the damaged one is kept. */
export function finishSalvage(path: string): string | undefined {
  const folder = dirname(path);
  const prefix = `${basename(path)}.salvaged-`;
  const name = existsSync(folder) && readdirSync(folder).find((one) => one.startsWith(prefix));
  if (!name) return undefined;
  const damagedPath = `${path}.damaged-${name.slice(prefix.length)}`;
  for (const suffix of ["", "-wal"]) {
    const bytes = statSync(path + suffix, { throwIfNoEntry: false })?.size;
    if (bytes === 0) rmSync(path + suffix);
    else if (bytes !== undefined) renameSync(path + suffix, damagedPath + suffix);
  }
  sync(folder);
  renameDurably(join(folder, name), path);
  unmarkDamaged(path);
  return damagedPath;
}

/** Notes that the database has to be salvaged when it is opened next. */
export function markDamaged(path: string): void {
  try {
    withFile(markPath(path), "replace", () => {});
  } catch {
    // The next opening finds the damage by itself.
  }
}

export function isMarkedDamaged(path: string): boolean {
  return existsSync(markPath(path));
}

export function unmarkDamaged(path: string): void {
  rmSync(markPath(path), { force: true });
}

function markPath(path: string): string {
  return `${path}.salvage-due`;
}

function describe({ peers, messages, damagedMessages, forgottenReceipts }: Salvaged): string {
  return `Salvaged were ${messages} messages and ${peers} peers; ${damagedMessages} messages are lost, and ${forgottenReceipts} whose receipt is lost are offered again.`;
}

/** What became of the rows of a damaged database. */
export interface Salvaged {
  /** The header, or a row that fits its checksum, shows that it is a database of Peerline. */
  readonly isOurs: boolean;
  readonly peers: number;
  readonly messages: number;
  /** Messages that are damaged, or gone while a delivery of theirs is there. */
  readonly damagedMessages: number;
  /** Deliveries that were damaged or gone while their message is intact. They are offered again. */
  readonly forgottenReceipts: number;
}

/**
 * Writes a new database with what can be read of a damaged one:
 *
 * 1. Every intact row on every page in use, also where nothing leads to that page.
 * 2. The damaged messages and peers, marked as damaged, so that somebody is told.
 * 3. A delivery for each recipient of an intact message that has none.
 * 4. The damaged deliveries of messages that are not intact, so that their senders are told.
 */
export function copyRows(path: string, newPath: string): Salvaged {
  const database = new Database(newPath);
  try {
    // The file is synced as a whole before it is used.
    database.exec("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA synchronous = OFF");
    migrate(database, newPath, 0, migrations);
    database.exec("BEGIN");
    const rows = new NewRows(database);
    const { isOurs, damaged } = copyIntact(path, rows);
    for (const one of damaged) if (one.kind !== "delivery") rows.add(one);
    const forgottenReceipts = restoreDeliveries(rows);
    for (const one of damaged) {
      if (one.kind === "delivery" && !rows.hasIntactMessage(one.row.id)) rows.add(one);
    }
    const counts = rows.finish();
    database.exec("COMMIT");
    return { isOurs, ...counts, forgottenReceipts };
  } finally {
    database.close();
  }
}

function copyIntact(path: string, rows: NewRows): { isOurs: boolean; damaged: SalvagedRow[] } {
  const file = new PageFile(path);
  try {
    const damaged: SalvagedRow[] = [];
    let isOurs = file.read(1)?.readUInt32BE(68) === applicationId;
    for (const raw of file.rows()) {
      const row = recognise(raw);
      if (row === undefined) continue;
      isOurs ||= row.isProven;
      if (row.isIntact) rows.add(row);
      else if (damaged.length < maxSalvagedDamaged) damaged.push(row);
    }
    return { isOurs, damaged };
  } finally {
    file.close();
  }
}

/** Does step 3. Returns the number of deliveries. */
function restoreDeliveries(rows: NewRows): number {
  let restored = 0;
  for (const { id, body } of rows.intactMessages()) {
    const message = fromBinary(MessageSchema, body);
    for (const { peerId } of message.to) {
      if (rows.hasDelivery(id, peerId)) continue;
      const row = forgottenDelivery({ seq: rows.nextSeq(), id, peerId }, message);
      if (row !== undefined && rows.addDelivery(row)) restored += 1;
    }
  }
  return restored;
}
