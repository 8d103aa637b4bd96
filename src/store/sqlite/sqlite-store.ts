import { toBinary } from "@bufbuild/protobuf";
import {
  type MessageRecord,
  MessageSchema,
  type PeerRef,
} from "../../../gen/peerline/v1/message_pb.js";
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
import { Calls, startWorker } from "./calls.js";
import {
  fromPeerRow,
  toAdvanced,
  toEnqueueResult,
  toPeerRow,
  toQueued,
  toRecord,
} from "./crossing.js";
import { Housekeeping } from "./housekeeping.js";
import { maxDamagesTold, type SqliteLimits, sqliteLimits } from "./limits.js";

export interface SqliteStoreOptions {
  /** The database. A missing file is created, a missing folder is not. */
  readonly path: string;
  readonly clock: Clock;
  /** The built worker. Default: the one of the same bundle. */
  readonly workerUrl?: URL;
  /** Default of each: that of `sqliteLimits`. */
  readonly limits?: Partial<SqliteLimits>;
  /** Hears of an unexpected error of housekeeping, which no call rejects with. Default: it is thrown, uncaught. */
  readonly onDefect?: (error: unknown) => void;
  /** Hears of each damage that is found, and of what became of it, in a sentence or two. */
  readonly onDamage?: (words: string) => void;
  /**
   * Hears once that the store refuses every call from now on, because a write or a sync failed or its
   * thread ended. A new process has to open the database to know what is on the disk.
   */
  readonly onBroken?: (error: StoreError) => void;
}

/**
 * The store of one machine: an SQLite database in a worker thread. LOCKED where another process holds it,
 * NEWER_VERSION where a newer program wrote it, DATA_LOSS where it is not a database of ours. A damaged
 * database is salvaged.
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
        const { messages, damaged, reach } = taken;
        return { messages: messages.map(toQueued), damaged: damaged.map(toAdvanced), reach };
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
