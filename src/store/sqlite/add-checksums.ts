import type Database from "libsql";
import {
  deliveryChecksum,
  firstMessageChecksum,
  identityChecksum,
  messageChecksum,
  nameChecksum,
  noChecksum,
  peerChecksum,
} from "./damage/row-checksums.js";
import { maxMigratedRows } from "./limits.js";
import { toPeerRow } from "./peers.js";
import { checkedPeers, deliverySelect, messageSelect } from "./sql.js";
import { type DeliveryColumns, type PeerColumns, Statement } from "./statements.js";

/**
 * A step of the schema: gives a checksum to each peer, to what makes it that peer, and to each delivery
 * with its receipt; and makes that of a message cover the row's own key. What was damaged before has
 * none, and stays told from what is whole.
 */
export function addChecksums(database: Database.Database): void {
  database.exec(`
    ALTER TABLE peer ADD COLUMN identity_checksum INTEGER NOT NULL DEFAULT ${noChecksum};
    ALTER TABLE peer ADD COLUMN name_checksum INTEGER NOT NULL DEFAULT ${noChecksum};
    ALTER TABLE peer ADD COLUMN checksum INTEGER NOT NULL DEFAULT ${noChecksum};
    ALTER TABLE delivery ADD COLUMN checksum INTEGER NOT NULL DEFAULT ${noChecksum};`);
  checkPeers(database);
  checkMessages(database);
  checkDeliveries(database);
}

function checkPeers(database: Database.Database): void {
  const update = prepare(
    database,
    "UPDATE peer SET identity_checksum = ?2, name_checksum = ?3, checksum = ?4 WHERE rowid = ?1",
  );
  for (const columns of prepare<PeerColumns>(database, checkedPeers).all()) {
    const row = toPeerRow({ ...columns, formerNames: "[]", mutedUntilMs: 0 });
    update.run(columns.place, identityChecksum(row), nameChecksum(row), peerChecksum(row));
  }
}

function checkMessages(database: Database.Database): void {
  const select = prepare<DeliveryColumns>(
    database,
    `${messageSelect} WHERE m.id > ?1 ORDER BY m.id LIMIT ?2`,
  );
  const update = prepare(database, "UPDATE message SET checksum = ?2 WHERE id = ?1");
  let last = 0;
  for (;;) {
    const rows = select.all(last, maxMigratedRows);
    for (const row of rows) {
      last = row.id;
      const message = { ...row, body: new Uint8Array(row.body ?? new ArrayBuffer(0)) };
      const isIntact = firstMessageChecksum(message) === row.checksum;
      update.run(row.id, isIntact ? messageChecksum(row.id, message) : noChecksum);
    }
    if (rows.length < maxMigratedRows) return;
  }
}

function checkDeliveries(database: Database.Database): void {
  const select = prepare<DeliveryColumns>(
    database,
    `${deliverySelect} WHERE d.seq > ?1 ORDER BY d.seq LIMIT ?2`,
  );
  const update = prepare(database, "UPDATE delivery SET checksum = ?2 WHERE seq = ?1");
  let last = 0;
  for (;;) {
    const rows = select.all(last, maxMigratedRows);
    for (const row of rows) {
      last = row.seq;
      update.run(row.seq, deliveryChecksum(row));
    }
    if (rows.length < maxMigratedRows) return;
  }
}

function prepare<Row>(database: Database.Database, text: string): Statement<Row> {
  return new Statement(database.prepare(text));
}
