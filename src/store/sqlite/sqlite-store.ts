import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type MessageRecord,
  MessageRecordSchema,
  MessageSchema,
  type PeerRef,
  PeerRefSchema,
} from "../../../gen/peerline/v1/message_pb.js";
import { ProfileSchema } from "../../../gen/peerline/v1/peer_pb.js";
import {
  type AdvancedReceipt,
  type Draft,
  type EnqueueResult,
  type ExpiryKey,
  type HistoryPage,
  type HistoryQuery,
  type QueueListener,
  type QueueReader,
  type ReceiptChange,
  type Store,
  type StoredPeer,
  StoreError,
  type StoreHealth,
  type StoreInfo,
} from "../../broker/store.js";
import type { Clock } from "../../clock.js";
import { formatCursor, parseCursor } from "../history-cursor.js";
import { describeLimits } from "../limits.js";
import { QueueReaders, type OpenMail } from "../queue-readers.js";
import { stamp } from "../stamp.js";
import { toReceipt } from "../stored-receipt.js";
import { Calls } from "./calls.js";
import { Housekeeping } from "./housekeeping.js";
import { maxDamagesTold, type SqliteLimits, sqliteLimits } from "./limits.js";
import type { AdvancedRow, EnqueueOutcome, PeerRow, RecordRow } from "./operations.js";
import { startWorker } from "./start-worker.js";

export interface SqliteStoreOptions {
  /** Of the database; the file is created where there is none, its folder is not. */
  readonly path: string;
  readonly clock: Clock;
  /** The built worker; by default the one of the bundle that this code is part of. */
  readonly workerUrl?: URL;
  /** Each left out is that of `sqliteLimits`. */
  readonly limits?: Partial<SqliteLimits>;
  /**
   * Is told of an error that no call is there to reject with: one of housekeeping, which is tried
   * again in its next round. By default it becomes an uncaught exception.
   */
  readonly onDefect?: (error: unknown) => void;
  /** Is told, in a sentence or two, of each damage that is found, and of what became of it. */
  readonly onDamage?: (words: string) => void;
  /**
   * Is told once when the store refuses every call from now on: a write or sync failed, or its thread
   * ended. Only opening it again, by a new process, can tell what is on the disk.
   */
  readonly onBroken?: (error: StoreError) => void;
}

/**
 * The store of one machine: an SQLite database, held by a worker thread. LOCKED where another process
 * holds it, NEWER_VERSION where a newer program wrote it, DATA_LOSS where it is no database of ours. One
 * that is damaged is salvaged.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { path, clock, onDefect = throwUncaught, onBroken = ignore } = options;
  const { workerUrl = new URL("../sqlite-worker.js", import.meta.url) } = options;
  const limits = { ...sqliteLimits, ...options.limits };
  const { worker, damages: found } = await startWorker(workerUrl, { path, limits });
  const damages: string[] = [];
  const onDamage = (words: string): void => {
    damages.push(words);
    damages.splice(0, damages.length - maxDamagesTold);
    options.onDamage?.(words);
  };
  const calls = new Calls({ worker, onIdle: () => housekeeping.begin(), onDamage, onBroken });
  for (const words of found) onDamage(words);
  const housekeeping = new Housekeeping({ calls, clock, limits, onDefect });
  housekeeping.begin();
  return new SqliteStore({ calls, clock, limits, damages });
}

class SqliteStore implements Store {
  readonly info: StoreInfo;
  readonly #calls: Calls;
  readonly #clock: Clock;
  readonly #readers: QueueReaders;
  readonly #damages: readonly string[];

  constructor(options: {
    calls: Calls;
    clock: Clock;
    limits: SqliteLimits;
    damages: readonly string[];
  }) {
    const { calls, clock, limits } = options;
    this.#damages = options.damages;
    this.info = {
      technology: "sqlite",
      durability: "disk",
      dedupeWindowMs: limits.retentionMs,
      limits: describeLimits(limits),
    };
    this.#calls = calls;
    this.#clock = clock;
    const mail: OpenMail = {
      take: async (peerId, position, credit) => {
        const taken = await calls.call("take", peerId, position, credit, clock.now());
        const messages = taken.messages.map(({ body, receipt, redelivered }) => ({
          message: fromBinary(MessageSchema, body),
          receipt: toReceipt(receipt),
          sizeBytes: body.byteLength,
          redelivered,
        }));
        return { messages, damaged: taken.damaged.map(toAdvanced), reach: taken.reach };
      },
      backlog: (peerId, position) => calls.call("backlog", peerId, position),
    };
    this.#readers = new QueueReaders(mail, clock);
  }

  async health(): Promise<StoreHealth> {
    try {
      const health = await this.#calls.call("checkHealth");
      return { ...health, damages: this.#damages };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      return {
        writable: false,
        problem: error.message,
        bytes: 0,
        freeBytes: 0,
        damagedMessages: 0,
        damages: this.#damages,
      };
    }
  }

  async loadPeers(): Promise<StoredPeer[]> {
    const rows = await this.#calls.call("loadPeers", this.#clock.now());
    return rows.map(fromPeerRow);
  }

  createPeer(peer: StoredPeer): Promise<void> {
    return this.#calls.call("createPeer", toPeerRow(peer));
  }

  updatePeer(peer: StoredPeer): Promise<void> {
    return this.#calls.call("updatePeer", toPeerRow(peer));
  }

  removePeer(peerId: string): Promise<boolean> {
    return this.#calls.call("removePeer", peerId);
  }

  forgetPeer(peerId: string): Promise<boolean> {
    return this.#calls.call("forgetPeer", peerId);
  }

  async listOpen({ peerId, limit }: { peerId: string; limit: number }): Promise<bigint[]> {
    return (await this.#calls.call("listOpen", peerId, limit)).map(BigInt);
  }

  async enqueue(draft: Draft, recipients: readonly PeerRef[]): Promise<EnqueueResult[]> {
    const acceptTimeMs = this.#clock.now();
    const body = toBinary(MessageSchema, stamp(draft, acceptTimeMs));
    const { messageId, threadId, fingerprint } = draft;
    const { peerId: fromPeerId, name: fromName } = draft.from;
    const outcomes = await this.#calls.call(
      "enqueue",
      { fromPeerId, fromName, messageId, threadId, fingerprint, acceptTimeMs, body },
      acceptTimeMs + draft.expiresInMs,
      recipients.map(({ peerId, name }) => ({ peerId, name })),
    );
    for (const outcome of outcomes) {
      if (outcome.ok && !outcome.duplicate) this.#readers.wake(outcome.receipt.peerId);
    }
    return outcomes.map((outcome) => toEnqueueResult(outcome, body));
  }

  openQueue(peerId: string, listener: QueueListener): QueueReader {
    return this.#readers.open(peerId, listener);
  }

  countWaiting(peerIds: readonly string[]): Promise<Map<string, number>> {
    return this.#calls.call("countWaiting", peerIds);
  }

  async advance(peerId: string, seq: bigint, change: ReceiptChange): Promise<AdvancedReceipt> {
    const nowMs = this.#clock.now();
    return toAdvanced(await this.#calls.call("advance", peerId, Number(seq), change, nowMs));
  }

  async redrive(peerId: string, seq: bigint): Promise<AdvancedReceipt> {
    const offer = this.#readers.reopening(peerId);
    const row = await this.#calls.call("redrive", peerId, Number(seq));
    await offer(row.receipt.seq);
    return toAdvanced(row);
  }

  drop(peerId: string, seq: bigint): Promise<void> {
    return this.#calls.call("drop", peerId, Number(seq));
  }

  async purge(query: Parameters<Store["purge"]>[0]): ReturnType<Store["purge"]> {
    const { from, waiting, after } = query;
    const { removed, next } = await this.#calls.call("purge", from, waiting, after);
    return { removed: removed.map(toAdvanced), next };
  }

  async listExpired({ after, limit }: Parameters<Store["listExpired"]>[0]): Promise<ExpiryKey[]> {
    const from = { expireTimeMs: after?.expireTimeMs ?? 0, seq: Number(after?.seq ?? 0) };
    const rows = await this.#calls.call("listExpired", from, limit, this.#clock.now());
    return rows.map((row) => ({ ...row, seq: BigInt(row.seq) }));
  }

  nextExpiryMs(): Promise<number | undefined> {
    return this.#calls.call("nextExpiryMs");
  }

  async getReceipt(peerId: string, seq: bigint): Promise<AdvancedReceipt | undefined> {
    const row = await this.#calls.call("getReceipt", peerId, Number(seq));
    return row && toAdvanced(row);
  }

  async findMessages(query: Parameters<Store["findMessages"]>[0]): Promise<MessageRecord[]> {
    const { messageId, senders, viewer, limit } = query;
    const rows = await this.#calls.call("findMessages", messageId, senders, viewer, limit);
    return rows.map(toRecord);
  }

  async listMessages({ cursor, ...query }: HistoryQuery): Promise<HistoryPage> {
    const before = parseCursor(cursor);
    const { records, next } = await this.#calls.call("listMessages", { ...query, before });
    return { records: records.map(toRecord), next: next === undefined ? "" : formatCursor(next) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#readers.close();
    await this.#calls[Symbol.asyncDispose]();
  }
}

function ignore(): void {}

function throwUncaught(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

function toPeerRow(peer: StoredPeer): PeerRow {
  const profile = toBinary(ProfileSchema, peer.profile);
  const conversations = JSON.stringify(peer.conversations);
  return { ...peer, profile, conversations, formerNames: JSON.stringify(peer.formerNames) };
}

function fromPeerRow(row: PeerRow): StoredPeer {
  const conversations = JSON.parse(row.conversations) as StoredPeer["conversations"];
  const formerNames = JSON.parse(row.formerNames) as StoredPeer["formerNames"];
  return { ...row, profile: fromBinary(ProfileSchema, row.profile), conversations, formerNames };
}

function toEnqueueResult(outcome: EnqueueOutcome, body: Uint8Array): EnqueueResult {
  if (!outcome.ok) {
    const { code, message, bound } = outcome;
    return { ok: false, error: new StoreError(code, message, { bound }) };
  }
  return {
    ok: true,
    duplicate: outcome.duplicate,
    message: fromBinary(MessageSchema, outcome.earlierBody ?? body),
    receipt: toReceipt(outcome.receipt),
  };
}

function toAdvanced({ fromPeerId, fromName, ...row }: AdvancedRow): AdvancedReceipt {
  return {
    from: create(PeerRefSchema, { peerId: fromPeerId, name: fromName }),
    messageId: row.messageId,
    receipt: toReceipt(row.receipt),
    moved: row.moved,
  };
}

function toRecord({ body, receipts }: RecordRow): MessageRecord {
  return create(MessageRecordSchema, {
    message: fromBinary(MessageSchema, body),
    receipts: receipts.map(toReceipt),
  });
}
