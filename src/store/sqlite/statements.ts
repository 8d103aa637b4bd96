import type Database from "libsql";
import type { StoredReceipt } from "../stored-receipt.js";
import type { CheckedMessage } from "./checksum.js";
import { sql } from "./sql.js";

/** The store's statements, each prepared once. */
export function prepareStatements(database: Database.Database): Statements {
  const statements = Object.fromEntries(
    Object.entries(sql).map(([name, text]) => [name, new Statement(database.prepare(text))]),
  );
  return statements as Statements;
}

export type Statements = {
  readonly [Name in keyof typeof sql]: Statement<Name extends keyof Rows ? Rows[Name] : never>;
};

/** What each SELECT gives. A body is null where the message of a delivery is gone. */
interface Rows {
  listPeers: PeerColumns;
  getPeer: PeerColumns;
  peerByName: { peerId: string };
  peerBySecret: { peerId: string };
  getQueue: { openMessages: number; openBytes: number; waitingMessages: number };
  getMessage: CheckedMessage;
  messageByKey: CheckedMessage;
  involves: { found: number };
  receiptOf: StoredReceipt;
  receiptsOf: StoredReceipt;
  getDelivery: DeliveryColumns;
  listExpired: { peerId: string; seq: number; expireTimeMs: number };
  nextExpiry: { expireTimeMs: number | null };
  openAt: DeliveryColumns;
  openAfter: DeliveryColumns;
  countOpenAfter: { messages: number };
  sendersAfter: { seq: number };
  findMessages: { id: number };
  listAll: { id: number };
  listOfPeer: { id: number };
  listOfThread: { id: number };
  listEnded: { id: number };
  agedMessages: { id: number; acceptTimeMs: number; fromPeerId: string };
  recipientsOf: { peerId: string; state: number };
  size: { pages: number; freePages: number; pageBytes: number };
  freePages: { pages: number };
}

export interface PeerColumns {
  readonly peerId: string;
  readonly name: string;
  readonly kind: number;
  readonly profile: ArrayBuffer;
  readonly createTimeMs: number;
  readonly lastSeenMs: number;
  readonly secretHash: string;
  readonly baseName: string;
  readonly number: number;
  readonly epoch: number;
  readonly instanceId: string;
  readonly conversations: string;
  readonly revision: number;
}

/** A receipt with its message. */
export interface DeliveryColumns extends StoredReceipt, CheckedMessage {
  /** The sender as the delivery knows it, whatever became of the message. */
  readonly senderPeerId: string;
  readonly sizeBytes: number;
  readonly redriven: number;
}

type Parameter = string | number | null | Uint8Array;

class Statement<Row> {
  readonly #statement: Database.Statement;

  constructor(statement: Database.Statement) {
    this.#statement = statement;
  }

  /** The only way to read: libsql's `get` gives blobs of another type and a column of its own. */
  all(...parameters: Parameter[]): Row[] {
    return this.#statement.all(parameters) as Row[];
  }

  one(...parameters: Parameter[]): Row | undefined {
    return this.all(...parameters)[0];
  }

  /** Returns the id of the row inserted last. */
  run(...parameters: Parameter[]): number {
    return Number(this.#statement.run(parameters).lastInsertRowid);
  }
}
