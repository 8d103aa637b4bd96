import type { ConfirmedBy, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { MachineScope } from "../../../gen/peerline/v1/machine_pb.js";
import type { PeerKind } from "../../../gen/peerline/v1/peer_pb.js";

/*
 * The tables of peers, machines and mail. Each column stands here once, in the order of the file; what reads,
 * writes, sums and salvages rows follows from here.
 *
 * To add a column, append it with `added` and append a migration that adds it. Nothing else is needed to
 * store it. Migrations are frozen SQL of their own; a test compares what they make with what stands here.
 */

/** A value as SQLite stores it. */
export type Value = string | number | null | Uint8Array;

/** A column; `V` is what a row holds in it. */
export interface Column<V extends Value = Value> {
  readonly kind: "key" | "text" | "integer" | "blob" | "checksum";
  /** In SQL, where that is not the field's name in snake case. */
  readonly name?: string;
  readonly isNullable?: boolean;
  /** It is in an index, and never changes. */
  readonly isFixed?: boolean;
  /** Its place in the checksum, where that is not its place among the columns. */
  readonly summedAt?: number;
  /** The fields that a checksum covers. Default: all. */
  readonly covers?: readonly string[];
  /** The version of the schema that added it. Default: 1. */
  readonly since?: number;
  /** Of a row that was written before. */
  readonly absent?: V;
}

interface Added<V extends Value> extends Column<V> {
  readonly since: number;
  readonly absent: V;
}

interface Checksum extends Column<number> {
  readonly kind: "checksum";
}

type Options = Pick<Column, "name" | "isFixed" | "summedAt">;

/** The row's number: what SQLite finds it by. It is not stored in the row. */
const key = (): Column<number> => ({ kind: "key", isFixed: true });
const text = (options: Options = {}): Column<string> => ({ kind: "text", ...options });
const integer = <V extends number>(options: Options = {}): Column<V> => ({
  kind: "integer",
  ...options,
});
/** Milliseconds since the Unix epoch; null for what has not happened. */
const time = (): Column<number | null> => ({ kind: "integer", isNullable: true });
const blob = (): Column<Uint8Array> => ({ kind: "blob" });
const checksum = (options: Pick<Column<number>, "name" | "covers" | "since"> = {}): Checksum => ({
  kind: "checksum",
  absent: noChecksum,
  ...options,
});
/** A column that a version of the schema added; `absent` is its value in a row that was written before. */
const added = <V extends Value>(since: number, column: Column<V>, absent: V): Added<V> => ({
  ...column,
  since,
  absent,
});

/** The checksum of a row whose checksum was never known. No row has it. */
export const noChecksum = -1;

export const peerTable = table("peer", {
  peerId: text(),
  name: text(),
  secretHash: text({ summedAt: 5 }),
  kind: integer<PeerKind>(),
  /** The encoded Profile. */
  profile: blob(),
  createTimeMs: integer(),
  lastSeenMs: integer(),
  baseName: text(),
  number: integer(),
  epoch: integer(),
  instanceId: text(),
  /** JSON. */
  conversations: text(),
  revision: integer(),
  /** Who a peer is, whatever becomes of what it says of itself. */
  identityChecksum: checksum({ since: 2, covers: ["peerId", "secretHash"] }),
  /** What it is found by. */
  nameChecksum: checksum({
    since: 2,
    covers: ["peerId", "secretHash", "kind", "name", "baseName", "number", "conversations"],
  }),
  checksum: checksum({ since: 2 }),
  /** JSON. */
  formerNames: added(3, text(), "[]"),
  mutedUntilMs: added(3, integer(), 0),
});

export const messageTable = table("message", {
  id: key(),
  fromPeerId: text(),
  fromName: text(),
  messageId: text(),
  threadId: text(),
  fingerprint: text(),
  acceptTimeMs: integer(),
  checksum: checksum(),
  /** The encoded Message. */
  body: blob(),
});

/** One message for one recipient, and its receipt. Its checksum nests the columns of the first version. */
export const deliveryTable = table(
  "delivery",
  {
    seq: key(),
    /** The message's. */
    id: integer({ name: "message", isFixed: true }),
    peerId: text({ isFixed: true }),
    peerName: text(),
    senderPeerId: text({ name: "from_peer_id", isFixed: true }),
    sizeBytes: integer(),
    expireTimeMs: integer({ isFixed: true }),
    /** 1: it came back from the dead letters. */
    redriven: integer(),
    state: integer<ReceiptState>(),
    queuedMs: integer(),
    leasedMs: time(),
    presentedMs: time(),
    confirmedMs: time(),
    answeredMs: time(),
    endedMs: time(),
    confirmedBy: integer<ConfirmedBy>(),
    attempts: integer(),
    reason: text(),
    deliveryChecksum: checksum({ since: 2, name: "checksum" }),
  },
  [8, 7, 3],
);

/** Other computers, and other homes, that were let in. */
export const machineTable = table("machine", {
  machineId: text(),
  name: text(),
  scope: integer<MachineScope>(),
  credentialHash: text(),
  createTimeMs: integer(),
  lastUseMs: integer(),
  lastUseAddress: text(),
  revokeTimeMs: integer(),
  revision: integer(),
  checksum: checksum(),
});

export interface Table<Columns extends Record<string, Column> = Record<string, Column>> {
  readonly name: string;
  readonly columns: Columns;
  /** In the order of the file. */
  readonly fields: readonly Field[];
  /** The sizes of the nested lists in which the checksum has the columns of the first version. */
  readonly nesting: readonly number[];
}

/** A column with the name that it has in a row, and the one that it has in SQL. */
export interface Field extends Column {
  readonly field: string;
  readonly name: string;
  readonly since: number;
}

/** A row, without its checksums. */
export type Row<T extends Table> = {
  readonly [F in keyof T["columns"] as T["columns"][F] extends Checksum ? never : F]: ValueIn<T, F>;
};

/** A row to be written: a column that was added may be left out, and is as in an older row then. */
export type NewRow<T extends Table> = {
  readonly [F in keyof Row<T> as T["columns"][F] extends Added<Value> ? never : F]: Row<T>[F];
} & {
  readonly [F in keyof Row<T> as T["columns"][F] extends Added<Value> ? F : never]?: Row<T>[F];
};

export type Checksums<T extends Table> = {
  readonly [F in keyof T["columns"] as T["columns"][F] extends Checksum ? F : never]: number;
};

/** A row as it is read back: anything in it may be damaged. A blob is null where its row is gone. */
export type ReadRow<T extends Table> = Checksums<T> & {
  readonly [F in keyof Row<T>]: Row<T>[F] extends Uint8Array ? Uint8Array | null : Row<T>[F];
};

type ValueIn<T extends Table, F extends keyof T["columns"]> =
  T["columns"][F] extends Column<infer V> ? V : never;

export type MessageRow = NewRow<typeof messageTable>;
export type DeliveryRow = NewRow<typeof deliveryTable>;

function table<Columns extends Record<string, Column>>(
  name: string,
  columns: Columns,
  nesting: readonly number[] = [],
): Table<Columns> {
  const fields = Object.entries(columns).map(([field, column]) => ({
    since: 1,
    name: field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    ...column,
    field,
  }));
  return { name, columns, fields, nesting };
}
