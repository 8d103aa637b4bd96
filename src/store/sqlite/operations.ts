import type { Database } from "libsql";
import type { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { ReceiptChange, QueueBacklog } from "../../broker/store/queues.js";
import type {
  StoredEnrolment,
  StoredMachine,
  StoredNewcomer,
  StoredPeer,
  EnrolmentUse,
} from "../../broker/store/peers.js";
import type { Bound, StoreErrorCode, StoreHealth } from "../../broker/store/store.js";
import type { Credit, Position } from "../queue-readers.js";
import type { StoredReceipt } from "../stored-message.js";
import { Quarantine } from "./damage/quarantine.js";
import { enqueueOperation, lastKeys } from "./enqueue.js";
import { type FreeSpace, healthOperation } from "./free-space.js";
import { historyOperations } from "./history.js";
import { machineOperations } from "./machines.js";
import type { SqliteLimits } from "./limits.js";
import { openMailOperations } from "./open-mail.js";
import { peerOperations } from "./peers.js";
import { receiptOperations } from "./receipts.js";
import { removalOperations } from "./removal.js";
import { Room } from "./room.js";
import { Statements } from "./statements.js";
import type { MessageRow } from "./tables.js";
import { transferOperations } from "./transfer.js";

/**
 * What the worker does. Each operation is atomic, and a transaction has several. Arguments and results
 * cross the thread boundary as copies, protobuf messages encoded. The clock stays with the caller, so
 * times come as arguments. A failure is a StoreError; any other error is a bug.
 */
export interface Operations {
  checkHealth(): Omit<StoreHealth, "damages">;

  /** It repairs or removes damaged peers. */
  loadPeers(nowMs: number): PeerRow[];
  createPeer(peer: PeerRow): void;
  updatePeer(peer: PeerRow): void;
  removePeer(peerId: string): boolean;
  forgetPeer(peerId: string): boolean;
  /** It removes damaged machines. */
  loadMachines(): MachineRow[];
  putMachine(machine: MachineRow): void;
  removeMachine(machineId: string): void;
  createEnrolment(enrolment: StoredEnrolment, maximum: number, nowMs: number): boolean;
  listEnrolments(nowMs: number): StoredEnrolment[];
  revokeEnrolments(nowMs: number): number;
  enrol(tokenHash: string, newcomer: StoredNewcomer, nowMs: number): EnrolmentUse;

  listOpen(peerId: string, limit: number): number[];

  enqueue(
    message: NewMessage,
    expireTimeMs: number,
    recipients: readonly Recipient[],
  ): EnqueueOutcome[];
  take(peerId: string, position: Position, credit: Credit, nowMs: number): Taken;
  backlog(peerId: string, position: Position): QueueBacklog;
  countWaiting(peerIds: readonly string[]): Map<string, number>;

  advance(peerId: string, seq: number, change: ReceiptChange, nowMs: number): AdvancedRow;
  getReceipt(peerId: string, seq: number): AdvancedRow | undefined;

  redrive(peerId: string, seq: number): AdvancedRow;
  drop(peerId: string, seq: number): void;
  purge(
    from: string,
    waiting: boolean,
    after: number,
  ): { removed: AdvancedRow[]; next: number | undefined };

  listExpired(after: Omit<ExpiryRow, "peerId">, limit: number, nowMs: number): ExpiryRow[];
  nextExpiryMs(): number | undefined;

  findMessages(
    messageId: string,
    senders: readonly string[],
    viewer: string,
    limit: number,
  ): RecordRow[];
  listMessages(query: ListQuery): { records: RecordRow[]; next: number | undefined };

  /** Every token, also those whose uses are taken or whose time is over. */
  loadEnrolments(): StoredEnrolment[];
  /** A slice of the deliveries after a seq. `leftOut` has words on each damaged one. */
  exportDeliveries(after: number): {
    deliveries: DeliveryRecord[];
    leftOut: string[];
    /** Where to go on; undefined at the end. */
    next: number | undefined;
  };
  importRecords(records: RecordRows): void;

  /** Deletes one slice, after `from`, of what is older than `beforeMs`. Returns where to go on. */
  prune(beforeMs: number, from: PruneMark): PruneMark | undefined;
  /** Gives one slice of free pages back to the file system. Returns whether there are more. */
  reclaim(): boolean;
}

/** @param options.tell hears of each damage that an operation meets, in words. */
export function operationsOn(
  database: Database,
  options: { freeSpace: FreeSpace; limits: SqliteLimits; tell: (words: string) => void },
): Operations {
  const { freeSpace, limits, tell } = options;
  const statements = new Statements(database);
  const quarantine = new Quarantine(tell);
  const room = new Room(statements, limits);
  const keys = lastKeys(statements);
  return {
    checkHealth: healthOperation(statements, quarantine, freeSpace),
    enqueue: enqueueOperation(statements, quarantine, { room, freeSpace, keys }),
    ...peerOperations(statements, tell),
    ...machineOperations(statements, tell),
    ...receiptOperations(statements, quarantine, room),
    ...openMailOperations(statements, quarantine),
    ...historyOperations(statements, quarantine),
    ...removalOperations(database, statements, quarantine),
    ...transferOperations(statements, quarantine, { freeSpace, keys }),
  };
}

export type Call = {
  [Name in keyof Operations]: {
    readonly operation: Name;
    readonly args: Parameters<Operations[Name]>;
  };
}[keyof Operations];

export interface ExpiryRow {
  readonly peerId: string;
  readonly seq: number;
  readonly expireTimeMs: number;
}

/** A peer. Its profile is encoded; its conversations and former names are JSON. */
export type PeerRow = Omit<StoredPeer, "profile" | "conversations" | "formerNames"> & {
  readonly profile: Uint8Array;
  readonly conversations: string;
  readonly formerNames: string;
};

export type MachineRow = StoredMachine;

/** A message that has no key yet. */
export type NewMessage = Omit<MessageRow, "id">;

export interface Recipient {
  readonly peerId: string;
  readonly name: string;
  /** Its reader hands the message out as soon as it is stored: it is stored as LEASED. */
  readonly isLeased: boolean;
}

export type EnqueueOutcome =
  | {
      readonly ok: true;
      readonly duplicate: boolean;
      readonly receipt: StoredReceipt;
      /** The body that an earlier call stored; undefined when this call stored it. */
      readonly earlierBody: Uint8Array | undefined;
    }
  | {
      readonly ok: false;
      readonly code: StoreErrorCode;
      readonly message: string;
      readonly bound?: Bound;
    };

export interface Taken {
  readonly messages: readonly TakenRow[];
  readonly damaged: readonly AdvancedRow[];
  readonly lastSeq: number;
  readonly isAll: boolean;
}

export interface TakenRow {
  readonly body: Uint8Array;
  readonly receipt: StoredReceipt;
  readonly redelivered: boolean;
}

export interface AdvancedRow {
  readonly fromPeerId: string;
  readonly fromName: string;
  readonly messageId: string;
  readonly receipt: StoredReceipt;
  readonly moved: boolean;
}

export interface RecordRow {
  readonly body: Uint8Array;
  readonly receipts: readonly StoredReceipt[];
}

/** A delivery as it is moved to another store. */
export interface DeliveryRecord {
  readonly body: Uint8Array;
  readonly fingerprint: string;
  readonly receipt: StoredReceipt;
  readonly redriven: boolean;
}

/** Records that were moved here. */
export interface RecordRows {
  readonly peers: readonly PeerRow[];
  readonly machines: readonly MachineRow[];
  readonly enrolments: readonly StoredEnrolment[];
  readonly deliveries: readonly DeliveryRecord[];
}

export interface ListQuery {
  readonly viewer: string;
  readonly peer: string;
  readonly threadId: string;
  readonly state: ReceiptState;
  readonly limit: number;
  readonly maxBytes: number;
  /** Only messages before this place in the order of acceptance. */
  readonly before: number;
}

/** A place in the order of acceptance times. */
export interface PruneMark {
  readonly acceptTimeMs: number;
  readonly id: number;
}
