import type Database from "libsql";
import type { CheckedDelivery, CheckedMessage } from "./damage/message-check.js";
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
  getShare: { openMessages: number; openBytes: number };
  getMail: { bytes: number };
  getMessage: CheckedMessage;
  messageByKey: CheckedMessage;
  lastKeys: { id: number; seq: number };
  involves: { found: number };
  receiptOf: CheckedDelivery;
  receiptsOf: CheckedDelivery;
  getDelivery: DeliveryColumns;
  listExpired: { peerId: string; seq: number; expireTimeMs: number };
  nextExpiry: { expireTimeMs: number | null };
  openAt: DeliveryColumns;
  openAfter: DeliveryColumns;
  listOpen: { seq: number };
  countOpenAfter: { messages: number };
  sendersAfter: { seq: number };
  findMessages: { id: number };
  listAll: { id: number };
  listOfPeer: { id: number };
  listOfThread: { id: number };
  listEnded: { id: number };
  messagesOf: { id: number };
  agedMessages: { id: number; acceptTimeMs: number; fromPeerId: string };
  recipientsOf: { peerId: string; state: number };
  size: { pages: number; freePages: number; pageBytes: number };
  freePages: { pages: number };
}

export interface PeerColumns {
  readonly peerId: string;
  readonly name: string;
  readonly kind: number;
  readonly profile: ArrayBuffer | null;
  readonly createTimeMs: number;
  readonly lastSeenMs: number;
  readonly secretHash: string;
  readonly baseName: string;
  readonly number: number;
  readonly epoch: number;
  readonly instanceId: string;
  readonly conversations: string;
  readonly revision: number;
  readonly formerNames: string;
  readonly mutedUntilMs: number;
  readonly identityChecksum: number;
  readonly nameChecksum: number;
  readonly checksum: number;
  /** The row's number, by which it is found whatever it holds. */
  readonly place: number;
}

/** A delivery with its message. */
export interface DeliveryColumns extends CheckedDelivery, CheckedMessage {}

type Parameter = string | number | null | Uint8Array;

/** A statement that is prepared once and reads rows as they are to be read. */
export class Statement<Row> {
  readonly #statement: Database.Statement;

  constructor(statement: Database.Statement) {
    this.#statement = statement;
  }

  /** The only way to read: libsql's `get` gives blobs of another type and a column of its own. */
  all(...parameters: Parameter[]): Row[] {
    const rows = this.#statement.all(parameters) as Record<string, unknown>[];
    for (const row of rows) decodeTexts(row);
    return rows as Row[];
  }

  one(...parameters: Parameter[]): Row | undefined {
    return this.all(...parameters)[0];
  }

  /** Returns the id of the row inserted last. */
  run(...parameters: Parameter[]): number {
    return Number(this.#statement.run(parameters).lastInsertRowid);
  }
}

/**
 * Every row passes here: its texts come as bytes. What is no UTF-8 becomes a text of replacement
 * characters, which is the one that was written only where the checksum of the row says so.
 */
function decodeTexts(row: Record<string, unknown>): void {
  for (const name in row) {
    const value = row[name];
    if (value instanceof ArrayBuffer && !blobs.has(name)) row[name] = Buffer.from(value).toString();
  }
}

const blobs = new Set(["body", "profile"]);
