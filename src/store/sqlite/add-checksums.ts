import type Database from "libsql";
import { sumsOf, sumWithoutKey } from "./damage/checksums.js";
import { maxMigratedRows } from "./limits.js";
import {
  inSlices,
  type ReadDelivery,
  type ReadMessage,
  type ReadPeer,
  selection,
  Statements,
} from "./statements.js";
import { deliveryTable, messageTable, noChecksum, peerTable } from "./tables.js";

/** The version of the schema that this step makes. It reads no column that was added later. */
const version = 2;

/**
 * A migration. It gives checksums to peers, to what identifies them, and to deliveries. It makes the
 * checksum of a message cover the key. A message that was damaged before is marked as damaged.
 */
export function addChecksums(database: Database.Database): void {
  database.exec(`
    ALTER TABLE peer ADD COLUMN identity_checksum INTEGER NOT NULL DEFAULT ${noChecksum};
    ALTER TABLE peer ADD COLUMN name_checksum INTEGER NOT NULL DEFAULT ${noChecksum};
    ALTER TABLE peer ADD COLUMN checksum INTEGER NOT NULL DEFAULT ${noChecksum};
    ALTER TABLE delivery ADD COLUMN checksum INTEGER NOT NULL DEFAULT ${noChecksum};`);
  const statements = new Statements(database);
  checkPeers(statements);
  checkMessages(statements);
  checkDeliveries(statements);
}

function checkPeers(statements: Statements): void {
  const peers = statements.prepare<ReadPeer>(
    `SELECT p.rowid AS place, ${selection(peerTable, "p", version)} FROM peer p`,
  );
  const update = statements.prepare(
    `UPDATE peer SET identity_checksum = :identityChecksum, name_checksum = :nameChecksum,
    checksum = :checksum WHERE rowid = :place`,
  );
  for (const { place, profile, ...row } of peers.all()) {
    update.run({ place, ...sumsOf(peerTable, { ...row, profile: profile ?? new Uint8Array(0) }) });
  }
}

function checkMessages(statements: Statements): void {
  const messagesAfter = statements.prepare<ReadMessage>(
    `SELECT ${selection(messageTable, "m", version)} FROM message m
    WHERE m.id > :last ORDER BY m.id LIMIT :limit`,
  );
  const update = statements.prepare("UPDATE message SET checksum = :checksum WHERE id = :id");
  const slice = (last: number) => messagesAfter.all({ last, limit: maxMigratedRows });
  for (const row of inSlices(slice, ({ id }) => id)) {
    const message = { ...row, body: row.body ?? new Uint8Array(0) };
    const isIntact = sumWithoutKey(messageTable, message) === row.checksum;
    const { checksum } = isIntact ? sumsOf(messageTable, message) : { checksum: noChecksum };
    update.run({ id: row.id, checksum });
  }
}

function checkDeliveries(statements: Statements): void {
  const deliveriesAfter = statements.prepare<ReadDelivery>(
    `SELECT ${selection(deliveryTable, "d", version)} FROM delivery d
    WHERE d.seq > :last ORDER BY d.seq LIMIT :limit`,
  );
  const update = statements.prepare(
    "UPDATE delivery SET checksum = :deliveryChecksum WHERE seq = :seq",
  );
  const slice = (last: number) => deliveriesAfter.all({ last, limit: maxMigratedRows });
  for (const row of inSlices(slice, ({ seq }) => seq)) {
    update.run({ seq: row.seq, ...sumsOf(deliveryTable, row) });
  }
}
