import type Database from "libsql";
import { isConstraint } from "../failure.js";
import { insertDelivery, insertMessage, insertPeer } from "../insert-rows.js";
import { maxKey } from "../limits.js";
import { receiptOf, writeReceipt } from "../receipts.js";
import {
  type DeliveryRow,
  deliveryChecksum,
  messageChecksum,
  type MessageRow,
  noChecksum,
} from "./row-checksums.js";
import type { PeerRow } from "../operations.js";
import type { PeerSums, SalvagedRow } from "./salvaged-row.js";
import { messageSelect } from "../sql.js";
import { prepareStatements, Statement, type Statements } from "../statements.js";
import type { CheckedMessage } from "./message-check.js";

/** The rows of a database that is made of those of another. */
export class NewRows {
  readonly #statements: Statements;
  readonly #messagesFrom: Statement<CheckedMessage>;
  readonly #counts: Statement<{ peers: number; messages: number; damagedMessages: number }>;
  readonly #setSequence: Statement<never>;
  readonly #last = { message: 0, delivery: 0 };

  constructor(database: Database.Database) {
    this.#statements = prepareStatements(database);
    this.#messagesFrom = new Statement(
      database.prepare(
        `${messageSelect} WHERE m.id > ?1 AND m.checksum <> ${noChecksum} ORDER BY m.id LIMIT ?2`,
      ),
    );
    this.#counts = new Statement(
      database.prepare(`SELECT (SELECT count(*) FROM peer) AS peers,
        (SELECT count(*) FROM message WHERE checksum <> ${noChecksum}) AS messages,
        (SELECT count(*) FROM (SELECT id FROM message WHERE checksum = ${noChecksum} UNION
          SELECT message FROM delivery WHERE message NOT IN (SELECT id FROM message)))
        AS damagedMessages`),
    );
    this.#setSequence = new Statement(
      database.prepare("UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1"),
    );
  }

  /** Adds the row; where its key is there already, the later of the two stays. Returns whether it was new. */
  add(found: SalvagedRow): boolean {
    switch (found.kind) {
      case "peer":
        return this.#addPeer(found.row, found.sums);
      case "message":
        return this.#addMessage(found.id, found.row, found.isIntact);
      case "delivery":
        return this.#addDelivery(found.row, found.isIntact);
      case "sequence":
        return this.#noteLast(found.table, found.last);
    }
  }

  *intactMessages(batch: number): Iterable<{ id: number; body: Uint8Array }> {
    for (let last = 0; ;) {
      const rows = this.#messagesFrom.all(last, batch);
      for (const { id, body } of rows) {
        if (body !== null) yield { id, body: new Uint8Array(body) };
        last = id;
      }
      if (rows.length < batch) return;
    }
  }

  hasDelivery(id: number, peerId: string): boolean {
    return this.#statements.receiptOf.one(id, peerId) !== undefined;
  }

  hasIntactMessage(id: number): boolean {
    const message = this.#statements.getMessage.one(id);
    return message !== undefined && message.checksum !== noChecksum;
  }

  nextSeq(): number {
    return this.#last.delivery + 1;
  }

  /** Has keys go on where they were, and counts what there is. */
  finish(): { peers: number; messages: number; damagedMessages: number } {
    for (const [table, last] of Object.entries(this.#last)) this.#setSequence.run(table, last);
    return this.#counts.one() ?? { peers: 0, messages: 0, damagedMessages: 0 };
  }

  #addPeer(row: PeerRow, sums: PeerSums): boolean {
    const present = this.#statements.getPeer.one(row.peerId);
    if (present !== undefined && present.revision >= row.revision) return false;
    return isNew(() => {
      this.#statements.deletePeer.run(row.peerId);
      insertPeer(this.#statements, row, sums);
    });
  }

  #addMessage(id: number, row: MessageRow, isIntact: boolean): boolean {
    // Nobody refers to a damaged one by a key that was never given out.
    if (!isKey(id) || (!isIntact && id > this.#last.message)) return false;
    if (isIntact) this.#noteLast("message", id);
    const sum = isIntact ? messageChecksum(id, row) : noChecksum;
    return isNew(() => {
      insertMessage(this.#statements, id, row, sum);
      this.#statements.insertParticipant.run(row.fromPeerId, id);
    });
  }

  #addDelivery(row: DeliveryRow, isIntact: boolean): boolean {
    if (!isIntact) return this.#addDamagedDelivery(row);
    const { seq, id, peerId } = row;
    if (!isKey(seq) || !isKey(id)) return false;
    this.#noteLast("delivery", seq);
    const present = this.#statements.getDelivery.one(seq, peerId);
    if (present !== undefined) {
      if (present.state < row.state) this.#write(row);
      return false;
    }
    return isNew(() => {
      insertDelivery(this.#statements, row, deliveryChecksum(row));
      this.#statements.insertParticipant.run(peerId, id);
      this.#write(row);
    });
  }

  /** It waits, under a key of its own, to be met and told of. */
  #addDamagedDelivery(row: DeliveryRow): boolean {
    if (!isKey(row.id)) return false;
    return isNew(() => {
      insertDelivery(this.#statements, { ...row, seq: this.nextSeq() }, noChecksum);
      this.#statements.insertParticipant.run(row.peerId, row.id);
      this.#last.delivery += 1;
    });
  }

  #write(row: DeliveryRow): void {
    writeReceipt(this.#statements, { ...row, isVoid: false }, receiptOf(row));
  }

  #noteLast(table: string, key: number): boolean {
    if ((table === "message" || table === "delivery") && isKey(key)) {
      this.#last[table] = Math.max(this.#last[table], key);
    }
    return false;
  }
}

function isKey(value: number): boolean {
  return value > 0 && value <= maxKey;
}

/** Runs an insertion; false where something of the row is taken. */
function isNew(insert: () => void): boolean {
  try {
    insert();
    return true;
  } catch (error) {
    if (isConstraint(error)) return false;
    throw error;
  }
}
