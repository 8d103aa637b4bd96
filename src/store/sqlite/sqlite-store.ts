import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type Message,
  type MessageRecord,
  MessageRecordSchema,
  MessageSchema,
  PeerRefSchema,
} from "../../../gen/peerline/v1/message_pb.js";
import { ProfileSchema } from "../../../gen/peerline/v1/peer_pb.js";
import {
  type AdvancedReceipt,
  type EnqueueResult,
  type QueuedMessage,
  type Store,
  type StoredPeer,
  StoreError,
} from "../../broker/store.js";
import type { Clock } from "../../clock.js";
import { describeLimits } from "../limits.js";
import { QueueReaders, type OpenMail } from "../queue-readers.js";
import {
  formatCursor,
  isOpen,
  parseCursor,
  queuedReceipt,
  stamp,
  toReceipt,
} from "../stored-message.js";
import { Calls, startWorker } from "./calls.js";
import { Housekeeping } from "./housekeeping.js";
import { maxDamagesTold, type SqliteLimits, sqliteLimits } from "./limits.js";
import type { AdvancedRow, EnqueueOutcome, PeerRow, RecordRow, TakenRow } from "./operations.js";

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
  const { path, clock, onDefect = throwUncaught, onBroken = () => {} } = options;
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
  return storeOn({ calls, clock, limits, damages });
}

function storeOn(parts: {
  calls: Calls;
  clock: Clock;
  limits: SqliteLimits;
  damages: readonly string[];
}): Store {
  const { calls, clock, limits, damages } = parts;
  const mail: OpenMail = {
    async take(peerId, position, credit) {
      const taken = await calls.call("take", peerId, position, credit, clock.now());
      const { messages, damaged, ...progress } = taken;
      return { messages: messages.map(toQueued), damaged: damaged.map(toAdvanced), ...progress };
    },
    backlog: (peerId, position) => calls.call("backlog", peerId, position),
  };
  const readers = new QueueReaders(mail, clock);

  return {
    info: {
      technology: "sqlite",
      durability: "disk",
      dedupeWindowMs: limits.retentionMs,
      limits: describeLimits(limits),
    },

    async health() {
      try {
        return { ...(await calls.call("checkHealth")), damages };
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        const unknown = { bytes: 0, freeBytes: 0, damagedMessages: 0 };
        return { writable: false, problem: error.message, ...unknown, damages };
      }
    },

    loadPeers: async () => (await calls.call("loadPeers", clock.now())).map(fromPeerRow),
    createPeer: (peer) => calls.call("createPeer", toPeerRow(peer)),
    updatePeer: (peer) => calls.call("updatePeer", toPeerRow(peer)),
    removePeer: (peerId) => calls.call("removePeer", peerId),
    forgetPeer: (peerId) => calls.call("forgetPeer", peerId),

    loadMachines: () => calls.call("loadMachines"),
    putMachine: (machine) => calls.call("putMachine", machine),
    removeMachine: (machineId) => calls.call("removeMachine", machineId),
    createEnrolment: (enrolment, maximum) =>
      calls.call("createEnrolment", enrolment, maximum, clock.now()),
    listEnrolments: () => calls.call("listEnrolments", clock.now()),
    revokeEnrolments: () => calls.call("revokeEnrolments", clock.now()),
    enrol: (tokenHash, newcomer) => calls.call("enrol", tokenHash, newcomer, clock.now()),

    listOpen: async ({ peerId, limit }) =>
      (await calls.call("listOpen", peerId, limit)).map(BigInt),

    async enqueue(draft, recipients) {
      const acceptTimeMs = clock.now();
      const stamped = stamp(draft, acceptTimeMs);
      const body = toBinary(MessageSchema, stamped);
      const { messageId, threadId, fingerprint } = draft;
      const { peerId: fromPeerId, name: fromName } = draft.from;
      const claims = recipients.map(({ peerId }) => readers.claim(peerId, body.byteLength));
      const enqueuing = calls.call(
        "enqueue",
        { fromPeerId, fromName, messageId, threadId, fingerprint, acceptTimeMs, body },
        acceptTimeMs + draft.expiresInMs,
        recipients.map(({ peerId, name }, index) => {
          return { peerId, name, isLeased: claims[index] !== undefined };
        }),
      );
      let outcomes: EnqueueOutcome[];
      try {
        outcomes = await enqueuing;
      } catch (error) {
        for (const claim of claims) claim?.doubt();
        throw error;
      }
      const known = outcomes.find((outcome) => outcome.ok && outcome.earlierBody !== undefined);
      const earlierBody = known?.ok === true ? known.earlierBody : undefined;
      const message = earlierBody === undefined ? stamped : fromBinary(MessageSchema, earlierBody);
      const sizeBytes = (earlierBody ?? body).byteLength;
      return outcomes.map((outcome, index) => {
        const claim = claims[index];
        if (!outcome.ok || outcome.duplicate) claim?.release();
        else if (claim === undefined) readers.wake(outcome.receipt.peerId);
        else {
          const receipt = toReceipt(outcome.receipt);
          claim.handOut({ message, receipt, sizeBytes, redelivered: false });
        }
        return toEnqueueResult(outcome, message);
      });
    },

    openQueue: (peerId, listener) => readers.open(peerId, listener),
    countWaiting: (peerIds) => calls.call("countWaiting", peerIds),

    async advance(peerId, seq, change) {
      const row = await calls.call("advance", peerId, Number(seq), change, clock.now());
      const advanced = toAdvanced(row);
      if (!isOpen(row.receipt.state)) readers.withdraw([advanced.receipt]);
      return advanced;
    },

    async redrive(peerId, seq) {
      const offer = readers.reopening(peerId);
      const row = await calls.call("redrive", peerId, Number(seq));
      await offer(row.receipt.seq);
      return toAdvanced(row);
    },

    drop: (peerId, seq) => calls.call("drop", peerId, Number(seq)),

    async purge({ from, waiting, after }) {
      const { removed: rows, next } = await calls.call("purge", from, waiting, after);
      const removed = rows.map(toAdvanced);
      readers.withdraw(removed.map(({ receipt }) => receipt));
      return { removed, next };
    },

    async listExpired({ after, limit }) {
      const from = { expireTimeMs: after?.expireTimeMs ?? 0, seq: Number(after?.seq ?? 0) };
      const rows = await calls.call("listExpired", from, limit, clock.now());
      return rows.map((row) => ({ ...row, seq: BigInt(row.seq) }));
    },

    nextExpiryMs: () => calls.call("nextExpiryMs"),

    async getReceipt(peerId, seq) {
      const row = await calls.call("getReceipt", peerId, Number(seq));
      return row && toAdvanced(row);
    },

    async findMessages({ messageId, senders, viewer, limit }) {
      const rows = await calls.call("findMessages", messageId, senders, viewer, limit);
      return rows.map(toRecord);
    },

    async listMessages({ cursor, ...query }) {
      const before = parseCursor(cursor);
      const { records, next } = await calls.call("listMessages", { ...query, before });
      return { records: records.map(toRecord), next: next === undefined ? "" : formatCursor(next) };
    },

    async [Symbol.asyncDispose]() {
      readers.close();
      await calls[Symbol.asyncDispose]();
    },
  };
}

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

/** Of a new message the receipt is the first one, also where a reader hands it out already. */
function toEnqueueResult(outcome: EnqueueOutcome, message: Message): EnqueueResult {
  if (!outcome.ok) {
    const { code, message: words, bound } = outcome;
    return { ok: false, error: new StoreError(code, words, { bound }) };
  }
  const { duplicate, receipt } = outcome;
  return {
    ok: true,
    duplicate,
    message,
    receipt: toReceipt(duplicate ? receipt : queuedReceipt(receipt)),
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

function toQueued({ body, receipt, redelivered }: TakenRow): QueuedMessage {
  return {
    message: fromBinary(MessageSchema, body),
    receipt: toReceipt(receipt),
    sizeBytes: body.byteLength,
    redelivered,
  };
}
