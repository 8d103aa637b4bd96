import type Database from "libsql";
import { ReceiptState } from "../../../../gen/peerline/v1/message_pb.js";
import { deliveryTo, participantInsertion } from "../enqueue.js";
import { isConstraint } from "../failure.js";
import { messageById } from "../history.js";
import { maxKey, maxMigratedRows } from "../limits.js";
import { machineById, machineDeletion } from "../machines.js";
import { peerById, peerDeletion } from "../peers.js";
import { mailBySeq } from "../receipts.js";
import {
  inSlices,
  messageSelect,
  type ReadMessage,
  type RowWriter,
  Statements,
} from "../statements.js";
import {
  type DeliveryRow,
  deliveryTable,
  machineTable,
  type MessageRow,
  messageTable,
  noChecksum,
  peerTable,
} from "../tables.js";
import { noSums } from "./checksums.js";
import type { SalvagedRow } from "./salvaged-row.js";

type Salvaged<Kind extends SalvagedRow["kind"]> = Extract<SalvagedRow, { kind: Kind }>;

/** How much a salvage brought into the new database. */
interface Counts {
  readonly peers: number;
  readonly messages: number;
  readonly damagedMessages: number;
}

/** Fills the new database of a salvage. */
export class NewRows {
  readonly #statements: Statements;
  readonly #insertPeer: RowWriter<typeof peerTable>;
  readonly #insertMachine: RowWriter<typeof machineTable>;
  readonly #insertMessage: RowWriter<typeof messageTable>;
  readonly #insertDelivery: RowWriter<typeof deliveryTable>;
  readonly #updateDelivery: RowWriter<typeof deliveryTable>;
  readonly #last = { message: 0, delivery: 0 };

  constructor(database: Database.Database) {
    const statements = new Statements(database);
    this.#statements = statements;
    this.#insertPeer = statements.insertInto(peerTable);
    this.#insertMachine = statements.insertInto(machineTable);
    this.#insertMessage = statements.insertInto(messageTable);
    this.#insertDelivery = statements.insertInto(deliveryTable);
    this.#updateDelivery = statements.update(deliveryTable);
  }

  /** Adds a row. Of two with the same key the later stays. Returns whether the row was new. */
  add(found: SalvagedRow): boolean {
    switch (found.kind) {
      case "peer":
        return this.#addPeer(found);
      case "machine":
        return this.#addMachine(found);
      case "message":
        return this.#addMessage(found.row, found.isIntact);
      case "delivery":
        return found.isIntact ? this.addDelivery(found.row) : this.#addDamagedDelivery(found.row);
      case "sequence":
        return this.#noteLast(found.table, found.last);
    }
  }

  addDelivery(row: DeliveryRow): boolean {
    const { seq, id, peerId } = row;
    if (!isKey(seq) || !isKey(id)) return false;
    this.#noteLast("delivery", seq);
    const present = mailBySeq(this.#statements).one({ seq, peerId });
    if (present !== undefined) {
      if (present.state < row.state) this.#updateDelivery(row);
      return false;
    }
    return isNew(() => {
      // The triggers count every new delivery as one that is queued.
      this.#insertDelivery({ ...row, state: ReceiptState.QUEUED });
      participantInsertion(this.#statements).run({ peerId, id });
      this.#updateDelivery(row);
    });
  }

  *intactMessages(): Iterable<{ id: number; body: Uint8Array }> {
    const messagesAfter = this.#statements.prepare<ReadMessage>(
      `${messageSelect} WHERE m.id > :last AND m.checksum <> ${noChecksum} ORDER BY m.id LIMIT :limit`,
    );
    const slice = (last: number) => messagesAfter.all({ last, limit: maxMigratedRows });
    for (const { id, body } of inSlices(slice, (row) => row.id)) {
      if (body !== null) yield { id, body };
    }
  }

  hasDelivery(id: number, peerId: string): boolean {
    return deliveryTo(this.#statements).one({ id, peerId }) !== undefined;
  }

  hasIntactMessage(id: number): boolean {
    const message = messageById(this.#statements).one({ id });
    return message !== undefined && message.checksum !== noChecksum;
  }

  nextSeq(): number {
    return this.#last.delivery + 1;
  }

  /** Sets the sequences, so that no key is given out twice, and counts the rows. */
  finish(): Counts {
    const setSequence = this.#statements.prepare(
      "UPDATE sqlite_sequence SET seq = max(seq, :last) WHERE name = :table",
    );
    for (const [table, last] of Object.entries(this.#last)) setSequence.run({ table, last });
    const count = this.#statements.prepare<Counts>(
      `SELECT (SELECT count(*) FROM peer) AS peers,
      (SELECT count(*) FROM message WHERE checksum <> ${noChecksum}) AS messages,
      (SELECT count(*) FROM (SELECT id FROM message WHERE checksum = ${noChecksum} UNION
        SELECT message FROM delivery WHERE message NOT IN (SELECT id FROM message)))
      AS damagedMessages`,
    );
    return count.one() ?? { peers: 0, messages: 0, damagedMessages: 0 };
  }

  #addPeer({ row, sums }: Salvaged<"peer">): boolean {
    const { peerId } = row;
    const present = peerById(this.#statements).one({ peerId });
    if (present !== undefined && present.revision >= row.revision) return false;
    return isNew(() => {
      peerDeletion(this.#statements).run({ peerId });
      this.#insertPeer(row, sums);
    });
  }

  /** A damaged one is let in no more. Of two with the same id the later stays, so that none that was revoked returns. */
  #addMachine({ row, isIntact }: Salvaged<"machine">): boolean {
    if (!isIntact) return false;
    const { machineId } = row;
    const present = machineById(this.#statements).one({ machineId });
    if (present !== undefined && present.revision >= row.revision) return false;
    return isNew(() => {
      machineDeletion(this.#statements).run({ machineId });
      this.#insertMachine(row);
    });
  }

  #addMessage(row: MessageRow, isIntact: boolean): boolean {
    const { id, fromPeerId: peerId } = row;
    // A key that is higher than any intact one is damaged, too.
    if (!isKey(id) || (!isIntact && id > this.#last.message)) return false;
    if (isIntact) this.#noteLast("message", id);
    return isNew(() => {
      this.#insertMessage(row, isIntact ? undefined : noSums(messageTable));
      participantInsertion(this.#statements).run({ peerId, id });
    });
  }

  /** It gets a new key and stays queued, so that a reader meets it and its sender is told. */
  #addDamagedDelivery(row: DeliveryRow): boolean {
    const { id, peerId } = row;
    if (!isKey(id)) return false;
    return isNew(() => {
      const queued = { ...row, seq: this.nextSeq(), state: ReceiptState.QUEUED };
      this.#insertDelivery(queued, noSums(deliveryTable));
      participantInsertion(this.#statements).run({ peerId, id });
      this.#last.delivery += 1;
    });
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

/** Runs an insertion. False where another row has a value that must be unique. */
function isNew(insert: () => void): boolean {
  try {
    insert();
    return true;
  } catch (error) {
    if (isConstraint(error)) return false;
    throw error;
  }
}
