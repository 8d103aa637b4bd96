import { create } from "@bufbuild/protobuf";
import {
  MessageRecordSchema,
  ReceiptState,
  type Message,
  type MessageRecord,
  type Receipt,
} from "../../../../gen/peerline/v1/message_pb.js";
import type { ExpiryKey, HistoryQuery, HistoryStore } from "../../../broker/store/history.js";
import type { AdvancedReceipt } from "../../../broker/store/queues.js";
import { StoreError } from "../../../broker/store/store.js";
import { purgeSliceMessages } from "../../limits.js";
import { formatCursor, isWaiting, parseCursor, toReceipt } from "../../stored-message.js";
import { maxPageReads } from "../limits.js";
import { threadHash, type KeptDelivery } from "./ledger.js";
import { readMessage, toAdvanced, type MailHead } from "./mail-record.js";
import type { HistoryTold } from "./history-told.js";
import type { Mail } from "./queues.js";

/** A message with where it stands for each recipient that has it. */
interface Found {
  readonly record: MessageRecord;
  readonly sizeBytes: number;
  /** The first of its deliveries. */
  readonly firstSeq: number;
}

export function openHistoryStore(mail: Mail, told: HistoryTold): HistoryStore {
  const { view, registers, engine, clock } = mail;

  return {
    watch: (listener) => told.add(listener, view.known),

    getReceipt: (peerId, seq) =>
      mail.perform(async () => {
        const number = Number(seq);
        const { ledger } = view;
        if (!Number.isSafeInteger(number)) return undefined;
        if (!ledger.has(number) && number <= ledger.lastSeq) return undefined;
        const kept = await registers.read(peerId, number);
        return kept && toAdvanced(kept.register, false);
      }),

    find: ({ messageId, senders, viewer, limit }) =>
      mail.perform(async () => {
        const found: Found[] = [];
        const seen = new Set<string>();
        const filter = engine.subjects.mailWithTail(messageId);
        for (let seq = 1; found.length < limit;) {
          const stored = await registers.readNext(seq, filter);
          if (stored === undefined) break;
          const { head } = stored;
          seq = head.seq + 1;
          const key = `${head.from.peerId} ${head.messageId}`;
          const isSender =
            senders.length === 0 ||
            senders.includes(head.from.peerId) ||
            senders.includes(head.from.name);
          if (seen.has(key) || !isSender || !isMeant(head.messageId, messageId)) continue;
          seen.add(key);
          const one = await assemble(mail, stored.head, requireMessage(stored));
          if (viewer === "" || isParticipant(one.record, viewer)) found.push(one);
        }
        return found.map(({ record }) => record);
      }),

    list: (query) =>
      mail.perform(async () => {
        const before = parseCursor(query.cursor);
        const records: MessageRecord[] = [];
        let bytes = 0;
        let reads = 0;
        let last = before;
        for (const kept of view.ledger.before(before)) {
          if (!mayBeWanted(kept, query)) continue;
          if (records.length >= query.limit || reads >= maxPageReads) {
            return { records, next: formatCursor(last) };
          }
          reads++;
          const found = await readFound(mail, kept, query);
          if (found === undefined) {
            last = kept.seq;
            continue;
          }
          bytes += found.sizeBytes;
          if (records.length > 0 && bytes > query.maxBytes) {
            return { records, next: formatCursor(last) };
          }
          last = kept.seq;
          records.push(found.record);
        }
        return { records, next: "" };
      }),

    listExpired: ({ after, limit }) =>
      mail.perform(async () => {
        const nowMs = clock.now();
        const { expireTimeMs: afterMs = Number.NEGATIVE_INFINITY, seq: afterSeq = 0n } =
          after ?? {};
        const expired: ExpiryKey[] = [];
        for (const { head, register } of view.open()) {
          if (!isWaiting(register.receipt.state) || head.expireMs > nowMs) continue;
          const key = {
            peerId: head.to.peerId,
            seq: BigInt(head.seq),
            expireTimeMs: head.expireMs,
          };
          const { expireTimeMs: ms, seq } = key;
          if (ms > afterMs || (ms === afterMs && seq > afterSeq)) expired.push(key);
        }
        return expired
          .toSorted((a, b) => a.expireTimeMs - b.expireTimeMs || Number(a.seq - b.seq))
          .slice(0, limit);
      }),

    nextExpiryMs: () =>
      mail.perform(async () => {
        let next: number | undefined;
        for (const { head, register } of view.open()) {
          if (!isWaiting(register.receipt.state)) continue;
          if (next === undefined || head.expireMs < next) next = head.expireMs;
        }
        return next;
      }),

    purge: ({ from, waiting, after, reason }) =>
      mail.perform(async () => {
        const removed: AdvancedReceipt[] = [];
        let looked = 0;
        for (const { seq, to } of own(view.ledger.after(after), from)) {
          if (looked === purgeSliceMessages) return { removed, next: seq - 1 };
          looked++;
          const one = await remove(mail, { peerId: to, seq, waiting, reason });
          if (one !== undefined) removed.push(one);
        }
        return { removed, next: undefined };
      }),
  };
}

/** Removes one delivery; undefined where it is to stay, or is gone. */
async function remove(
  { view, registers }: Mail,
  {
    peerId,
    seq,
    waiting,
    reason,
  }: { peerId: string; seq: number; waiting: boolean; reason: string },
): Promise<AdvancedReceipt | undefined> {
  try {
    const { before, isChanged } = await registers.change(peerId, seq, (register) => {
      if (waiting && !isWaiting(register.receipt.state)) return undefined;
      const isUnread = isWaiting(register.receipt.state);
      const state = isUnread ? ReceiptState.DEAD_LETTERED : register.receipt.state;
      const receipt = { ...register.receipt, state, ...(isUnread ? { reason } : {}) };
      return { ...register, receipt, isMove: isUnread, isRemoved: true };
    });
    if (!isChanged) return undefined;
    view.forget(seq);
    view.recent.forget(before.from.peerId, before.messageId);
    await registers.deleteMail(seq);
    return toAdvanced(before, true);
  } catch (error) {
    if (error instanceof StoreError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

function* own(deliveries: Iterable<KeptDelivery>, from: string): Generator<KeptDelivery> {
  for (const one of deliveries) if (one.from === from) yield one;
}

/** What can be told without reading the message. */
function mayBeWanted({ from, to, threadHash: hash }: KeptDelivery, query: HistoryQuery): boolean {
  const { viewer, peer, threadId } = query;
  if (viewer !== "" && from !== viewer && to !== viewer) return false;
  // Where the viewer received it, others may have, too.
  if (peer !== "" && viewer === "" && from !== peer && to !== peer) return false;
  return threadId === "" || threadHash(threadId) === hash;
}

/** The message of a delivery, if the delivery stands for it and it is wanted. */
async function readFound(
  mail: Mail,
  { seq, from, to }: KeptDelivery,
  query: HistoryQuery,
): Promise<Found | undefined> {
  const stored = await mail.registers.readMail(seq);
  const message = stored && readMessage(stored.body);
  if (stored === undefined || message === undefined) return undefined;
  const { viewer, peer, threadId, state } = query;
  if (threadId !== "" && message.threadId !== threadId) return undefined;
  const found = await assemble(mail, stored.head, message);
  if (!standsFor(found, { seq, from, to }, query)) return undefined;
  const { record } = found;
  if (peer !== "" && !isParticipant(record, peer)) return undefined;
  if (state !== ReceiptState.UNSPECIFIED && !seenBy(viewer, record).includes(state)) {
    return undefined;
  }
  return found;
}

/**
 * Whether this delivery is the one that shows the message: of those that the query looks at, the first. Who
 * received a message has one delivery of it.
 */
function standsFor(
  { firstSeq }: Found,
  { seq, from, to }: Pick<KeptDelivery, "seq" | "from" | "to">,
  { viewer, peer }: HistoryQuery,
): boolean {
  const participant = viewer === "" ? peer : viewer;
  return participant === "" || from === participant ? firstSeq === seq : to === participant;
}

/** A message with its receipts, in the order in which its sender named the recipients, and added some. */
async function assemble(mail: Mail, head: MailHead, message: Message): Promise<Found> {
  const named = message.to.map(({ peerId }) => peerId);
  const added = mail.view.added.of(head.from.peerId, head.messageId);
  const receipts = await Promise.all(
    [...new Set([...named, ...added, head.to.peerId])].map((peerId) =>
      receiptOf(mail, head, message, peerId),
    ),
  );
  const present = receipts.filter((receipt) => receipt !== undefined);
  return {
    record: create(MessageRecordSchema, { message, receipts: present }),
    sizeBytes: head.sizeBytes,
    firstSeq: Math.min(head.seq, ...present.map(({ seq }) => Number(seq))),
  };
}

async function receiptOf(
  { registers, engine }: Mail,
  head: MailHead,
  { from, messageId }: Message,
  peerId: string,
): Promise<Receipt | undefined> {
  const key = { to: peerId, from: from?.peerId ?? "", messageId };
  const own =
    peerId === head.to.peerId
      ? head
      : (await registers.readMailOf(engine.subjects.mail(key)))?.head;
  const kept = own && (await registers.readOf(own));
  return kept && toReceipt(kept.register.receipt);
}

function requireMessage({ head, body }: { head: MailHead; body: Uint8Array }): Message {
  const message = readMessage(body);
  if (message !== undefined) return message;
  throw new StoreError("DATA_LOSS", `The stored message ${head.messageId} is damaged.`);
}

function isMeant(id: string, query: string): boolean {
  return id === query || (query.length >= 8 && id.endsWith(query));
}

function isParticipant({ message, receipts }: MessageRecord, peerId: string): boolean {
  return (
    message?.from?.peerId === peerId ||
    receipts.some(({ recipient }) => recipient?.peerId === peerId)
  );
}

/** The states of the receipts that the viewer may see: as recipient, or as sender. An empty viewer sees all. */
function seenBy(viewer: string, { message, receipts }: MessageRecord): ReceiptState[] {
  return receipts
    .filter(
      ({ recipient }) =>
        viewer === "" || viewer === recipient?.peerId || viewer === message?.from?.peerId,
    )
    .map(({ state }) => state);
}
