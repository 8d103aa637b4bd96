import { fromBinary } from "@bufbuild/protobuf";
import Database from "libsql";
import { MessageSchema } from "../../../../gen/peerline/v1/message_pb.js";
import { leafRows } from "./leaf-rows.js";
import { maxSalvagedDamaged } from "../limits.js";
import { migrate } from "../migrate.js";
import { PageFile } from "./page-file.js";
import { forgottenDelivery } from "../receipts.js";
import { NewRows } from "./new-rows.js";
import { recognise, type SalvagedRow } from "./salvaged-row.js";
import { applicationId, migrations } from "../schema.js";

/** What became of the rows of a damaged database. */
export interface Salvaged {
  /** Its header, or a row with our checksum, says that it is a database of Peerline. */
  readonly isOurs: boolean;
  readonly peers: number;
  readonly messages: number;
  /** Messages that are damaged, or of which only a delivery was found. */
  readonly damagedMessages: number;
  /** Deliveries of intact messages that were damaged or gone: they are offered again. */
  readonly forgottenReceipts: number;
}

/**
 * Writes a new database with what can be read of a damaged one:
 *
 * 1. Every intact row on every page in use, whatever leads to that page or not.
 * 2. The damaged messages and peers, as damaged ones: so they are told of.
 * 3. A delivery for each recipient of an intact message that has none.
 * 4. The damaged deliveries of messages that are not intact: so their end is told.
 */
export function copyRows(path: string, newPath: string): Salvaged {
  const database = new Database(newPath);
  try {
    // Nobody relies on this file until it was synced as a whole.
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
    return copyPages(file, rows);
  } finally {
    file.close();
  }
}

function copyPages(file: PageFile, rows: NewRows): { isOurs: boolean; damaged: SalvagedRow[] } {
  const free = file.freePages();
  const damaged: SalvagedRow[] = [];
  let isOurs = file.read(1)?.readUInt32BE(68) === applicationId;
  for (let page = 1; page <= file.pageCount; page += 1) {
    if (free.has(page)) continue;
    for (const raw of leafRows(file, page)) {
      const row = recognise(raw);
      if (row === undefined) continue;
      isOurs ||= row.isProven;
      if (row.isIntact) rows.add(row);
      else if (damaged.length < maxSalvagedDamaged) damaged.push(row);
    }
  }
  return { isOurs, damaged };
}

/** Returns how many. */
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
