import { toBinary } from "@bufbuild/protobuf";
import {
  MessageSchema,
  ReceiptState,
  type Message,
  type PeerRef,
} from "../../../../gen/peerline/v1/message_pb.js";
import type {
  Draft,
  EnqueueResult,
  QueuedMessage,
  QueueStore,
  ReceiptChange,
} from "../../../broker/store/queues.js";
import { StoreError } from "../../../broker/store/store.js";
import type { Clock } from "../../../clock.js";
import type { StoreLimits } from "../../limits.js";
import { fenceMs, maxToldWaitMs, publishDeadlineMs } from "../limits.js";
import { mailProblem, queueProblem, shortageError } from "../../room.js";
import { climb, isOpen, queuedReceipt, stamp, toReceipt } from "../../stored-message.js";
import {
  firstRegister,
  formatHead,
  readMessage,
  toAdvanced,
  type MailHead,
  type Register,
} from "./mail-record.js";
import type { Barrier } from "./barrier.js";
import type { MailView } from "./mail-view.js";
import type { OpenDelivery } from "./open-mail.js";
import type { OwnMail } from "./own-mail.js";
import type { OwnPublishes } from "./own-publishes.js";
import type { Lease, LeasedMail, Readers } from "./readers.js";
import { toStoreError, type Change, type Engine, type Registers } from "./registers.js";

/** What the parts of mail work on. */
export interface Mail {
  readonly engine: Engine;
  readonly view: MailView;
  readonly registers: Registers;
  readonly clock: Clock;
  readonly limits: StoreLimits;
  readonly own: OwnMail;
  readonly underWay: OwnPublishes;
  /** On the stream of receipts. */
  readonly barrier: Barrier;
  assertOpen(): void;
  /** Does what the end of the store waits for; UNAVAILABLE once it is closed. */
  perform<T>(work: () => Promise<T>): Promise<T>;
}

/** A message that is to be stored, encoded once. */
interface Outgoing {
  readonly draft: Draft;
  readonly message: Message;
  readonly body: Uint8Array;
  readonly acceptMs: number;
  readonly queuedMs: number;
  readonly expireMs: number;
}

export function openQueueStore(mail: Mail, readers: Readers): QueueStore {
  const { view, registers, clock } = mail;
  const enqueuing = new Enqueuing(mail, readers);

  return {
    enqueue: (draft, recipients) =>
      mail.perform(async () => {
        return enqueuing.enqueue(draft, recipients);
      }),

    open(of, listener) {
      mail.assertOpen();
      return readers.open(of, listener);
    },

    listOpen: ({ peerId, limit }) =>
      mail.perform(async () => {
        const seqs: bigint[] = [];
        for (const { head } of view.queue(peerId).oldestFirst()) {
          if (seqs.length >= limit) break;
          seqs.push(BigInt(head.seq));
        }
        return seqs;
      }),

    countWaiting: (peerIds) =>
      mail.perform(async () => {
        return new Map(peerIds.map((peerId) => [peerId, view.queue(peerId).waiting]));
      }),

    advance: (peerId, seq, change) =>
      mail.perform(async () => {
        requireKept(view, peerId, seq);
        const { before, register } = await registers.change(
          peerId,
          Number(seq),
          climbing(change, clock.now()),
        );
        return toAdvanced(register, register.receipt.state !== before.receipt.state);
      }),

    redrive: (peerId, seq) =>
      mail.perform(async () => {
        const dead = await requireDeadLetter(mail, peerId, seq);
        const { head } = dead;
        const queue = view.queue(peerId);
        const problem = queueProblem(
          head.to.name,
          queue.useOf(head.from.peerId),
          head.sizeBytes,
          mail.limits,
        );
        if (problem !== undefined) throw shortageError(problem);
        const { register } = await registers.change(peerId, head.seq, (present) => {
          if (present.receipt.state !== ReceiptState.DEAD_LETTERED) throw notDead(peerId, seq);
          const receipt = queuedReceipt(present.receipt);
          return { ...present, receipt, isRedriven: true, isMove: true, epoch: 0 };
        });
        return toAdvanced(register, true);
      }),

    drop: (peerId, seq) =>
      mail.perform(async () => {
        const { head } = await requireDeadLetter(mail, peerId, seq);
        await registers.change(peerId, head.seq, (present) => {
          if (present.receipt.state !== ReceiptState.DEAD_LETTERED) throw notDead(peerId, seq);
          return { ...present, isMove: false, isRemoved: true };
        });
        view.forget(head.seq);
        view.recent.forget(head.from.peerId, head.messageId);
        await registers.deleteMail(head.seq);
      }),
  };
}

/** Leases for the readers of this gateway. */
export function leasedMail(mail: Mail): LeasedMail {
  const { view, registers, clock } = mail;

  return {
    queue: (peerId) => view.queue(peerId),
    get toldSeq() {
      return view.toldSeq;
    },
    async catchUp() {
      await Promise.all([
        mail.barrier.pass(),
        view.whenTold(view.ledger.lastSeq, publishDeadlineMs),
      ]);
    },

    async lease(delivery, epoch) {
      const { head } = delivery;
      const peerId = head.to.peerId;
      let before: Register | undefined;
      const { body: known } = delivery;
      delivery.body = undefined;
      const reading =
        known === undefined
          ? registers.readMail(head.seq).then((stored) => stored?.body)
          : Promise.resolve(known);
      // Where the lease fails, nobody asks for the message.
      reading.catch(() => {});
      try {
        ({ before } = await registers.change(peerId, head.seq, (present) => {
          const nowMs = clock.now();
          if (!isOpen(present.receipt.state) || isFenced(present, epoch, nowMs)) return undefined;
          const { receipt, moved } = climb(present.receipt, { state: ReceiptState.LEASED }, nowMs);
          // Who takes a lease over writes so, that of two one is told.
          const isTaken = moved || present.epoch !== epoch;
          return isTaken ? { ...present, receipt, isMove: moved, epoch } : undefined;
        }));
      } catch (error) {
        if (error instanceof StoreError && error.code === "NOT_FOUND") return { state: "gone" };
        throw error;
      }
      if (isFenced(before, epoch, clock.now())) return { state: "fenced" };
      if (!isOpen(before.receipt.state)) return { state: "gone" };
      const body = await reading;
      const message = body && readMessage(body);
      const present = view.find(peerId, head.seq)?.register;
      // Somebody removed it from the stream by hand.
      if (body === undefined) view.drop(peerId, head.seq);
      if (present === undefined || body === undefined) return { state: "gone" };
      if (message === undefined) return bury(mail, delivery);
      const redelivered = before.isRedriven || before.receipt.state !== ReceiptState.QUEUED;
      const receipt = toReceipt(present.receipt);
      const queued: QueuedMessage = { message, receipt, sizeBytes: head.sizeBytes, redelivered };
      return { state: "leased", queued };
    },
  };
}

/**
 * A later session has the message. That counts for a while: where the records of peers are older than the receipts, as
 * after a backup was restored, there is no such session.
 */
function isFenced({ epoch, receipt }: Register, ofReader: number, nowMs: number): boolean {
  const leasedMs = receipt.leasedMs ?? receipt.queuedMs;
  return epoch > ofReader && Math.abs(nowMs - leasedMs) < fenceMs;
}

/** Nobody can read it. */
async function bury(
  { registers, clock }: Pick<Mail, "registers" | "clock">,
  { head }: OpenDelivery,
): Promise<Lease> {
  const change = { state: ReceiptState.DEAD_LETTERED, reason: "the stored message is damaged" };
  const climbed = climbing(change, clock.now());
  const { register } = await registers.change(head.to.peerId, head.seq, climbed);
  return { state: "damaged", deadLettered: toAdvanced(register, true) };
}

function climbing(change: ReceiptChange, nowMs: number): Change {
  return (register) => {
    const { receipt, moved } = climb(register.receipt, change, nowMs);
    return moved || receipt !== register.receipt
      ? { ...register, receipt, isMove: moved }
      : undefined;
  };
}

function requireKept({ ledger }: MailView, peerId: string, seq: bigint): void {
  const number = Number(seq);
  if (Number.isSafeInteger(number) && number > 0 && (ledger.has(number) || number > ledger.lastSeq))
    return;
  throw new StoreError("NOT_FOUND", `The queue of ${peerId} has no message ${seq}.`);
}

async function requireDeadLetter(
  { view, registers }: Pick<Mail, "view" | "registers">,
  peerId: string,
  seq: bigint,
): Promise<{ head: MailHead }> {
  requireKept(view, peerId, seq);
  const mail = await registers.readMail(Number(seq));
  if (mail?.head.to.peerId !== peerId) throw notDead(peerId, seq);
  const kept = await registers.readStoredOf(mail.head);
  if (kept?.register.receipt.state !== ReceiptState.DEAD_LETTERED) throw notDead(peerId, seq);
  return mail;
}

function notDead(peerId: string, seq: bigint): StoreError {
  return new StoreError("NOT_FOUND", `The message ${seq} of ${peerId} is not dead-lettered.`);
}

/** Stores messages, one record for each recipient. */
class Enqueuing {
  readonly #mail: Mail;
  readonly #readers: Readers;
  /** Of each sender, when its last message is on its way: the next one is not to overtake it. */
  readonly #issuing = new Map<string, Promise<unknown>>();

  constructor(mail: Mail, readers: Readers) {
    this.#mail = mail;
    this.#readers = readers;
  }

  async enqueue(draft: Draft, recipients: readonly PeerRef[]): Promise<EnqueueResult[]> {
    const from = draft.from.peerId;
    const before = this.#issuing.get(from);
    const { recent } = this.#mail.view;
    const isNew =
      recent.find(from, draft.messageId) === undefined && recent.isSurelyNew(draft.messageId);
    if (isNew && before === undefined) {
      return Promise.all(this.#issue(draft, recipients, undefined));
    }
    const issuing = (async () => {
      const earlier = isNew ? undefined : await this.#findEarlier(draft);
      await before?.catch(() => {});
      return { results: this.#issue(draft, recipients, earlier) };
    })();
    this.#issuing.set(from, issuing);
    try {
      return await Promise.all((await issuing).results);
    } finally {
      if (this.#issuing.get(from) === issuing) this.#issuing.delete(from);
    }
  }

  /** The same message as it was accepted for others before; undefined where it is new. */
  async #findEarlier({ from, messageId }: Draft): Promise<Earlier | undefined> {
    const { view, registers, engine } = this.#mail;
    const known = view.recent.find(from.peerId, messageId);
    if (known !== undefined && view.ledger.has(known.seq)) {
      const stored = await registers.readMail(known.seq);
      if (stored !== undefined) return { ...stored };
    }
    return registers.readNext(1, engine.subjects.mailOfMessage({ from: from.peerId, messageId }));
  }

  /** Sends the message on its way to each recipient, before anything waits. */
  #issue(
    draft: Draft,
    recipients: readonly PeerRef[],
    earlier: Earlier | undefined,
  ): Promise<EnqueueResult>[] {
    if (earlier !== undefined && earlier.head.fingerprint !== draft.fingerprint) {
      const words = `The sender used the message id ${draft.messageId} for other content.`;
      return recipients.map(async () => refused("MESSAGE_ID_REUSED", words));
    }
    const kept = earlier && readMessage(earlier.body);
    if (earlier !== undefined && kept === undefined) {
      const words = `The stored message ${draft.messageId} is damaged.`;
      return recipients.map(async () => refused("DATA_LOSS", words));
    }
    const nowMs = this.#mail.clock.now();
    const message = kept ?? stamp(draft, nowMs);
    const outgoing: Outgoing = {
      draft,
      message,
      body: earlier?.body ?? toBinary(MessageSchema, message),
      // A recipient that is added later gets the message's own times.
      acceptMs: earlier?.head.acceptMs ?? nowMs,
      queuedMs: nowMs,
      expireMs: earlier?.head.expireMs ?? nowMs + draft.expiresInMs,
    };
    return recipients.map((to) => this.#deliver(outgoing, to, earlier !== undefined));
  }

  async #deliver(outgoing: Outgoing, to: PeerRef, isRepeat: boolean): Promise<EnqueueResult> {
    const { draft, message, body, acceptMs, queuedMs, expireMs } = outgoing;
    const { view, engine, own, underWay } = this.#mail;
    const { from, messageId, fingerprint } = draft;
    const problem = this.#problem(outgoing, to);
    if (problem !== undefined) return (await this.#repeated(outgoing, to)) ?? problem;
    using room = view.reserve(to.peerId, from.peerId, body.byteLength);
    const subject = engine.subjects.mail({ to: to.peerId, from: from.peerId, messageId });
    const claim =
      isRepeat || underWay.has(subject)
        ? undefined
        : this.#readers.claim(to.peerId, body.byteLength);
    if (claim !== undefined) underWay.begin(subject, { message, claim });
    const unstored = {
      to,
      from,
      messageId,
      fingerprint,
      threadId: draft.threadId,
      acceptMs,
      queuedMs,
      expireMs,
      sizeBytes: body.byteLength,
      leasedEpoch: claim?.epoch,
      isAdded: !message.to.some(({ peerId }) => peerId === to.peerId),
    };
    const outcome = await engine.publisher.publish({
      stream: engine.names.mail,
      subject,
      payload: body,
      headers: formatHead(unstored),
      expect: { lastSubjectSeq: 0 },
      lane: `${from.peerId} ${to.peerId}`,
    });
    room[Symbol.dispose]();
    if (outcome.state !== "stored") {
      if (claim !== undefined) underWay.failed(subject, outcome.state === "unavailable");
      if (outcome.state !== "conflict") return { ok: false, error: toStoreError(outcome) };
      const repeated = await this.#repeated(outgoing, to);
      // What stood there was removed a moment ago.
      return (
        repeated ??
        refused("UNAVAILABLE", `The message ${messageId} is being removed: send it again.`)
      );
    }
    const head = { ...unstored, seq: outcome.seq };
    own.stored({ head, message });
    const receipt = toReceipt(firstRegister({ ...head, leasedEpoch: undefined }).receipt);
    // It counts from now on. Readers are offered it when its turn in the stream has come.
    const isRead = this.#readers.reads(to.peerId);
    view.add(head, isRead ? body : undefined);
    if (claim !== undefined) underWay.stored(subject, outcome.seq, view.toldSeq);
    // Its sender may ask at once what became of it.
    if (isRead) await view.whenTold(outcome.seq, maxToldWaitMs);
    return { ok: true, duplicate: false, message, receipt };
  }

  /** Why there is no room for the message at this recipient, or no time; undefined where it may be stored. */
  #problem({ draft, body, expireMs }: Outgoing, to: PeerRef): EnqueueResult | undefined {
    const { view, limits, clock } = this.#mail;
    if (expireMs <= clock.now()) {
      const words = `The message ${draft.messageId} has expired: send it under a new id.`;
      return refused("MESSAGE_ID_REUSED", words);
    }
    const from = draft.from.peerId;
    const size = body.byteLength;
    const queueShortage = queueProblem(to.name, view.queue(to.peerId).useOf(from), size, limits);
    const shortage = queueShortage ?? mailProblem(view.mailUse(from), size, limits);
    return shortage && { ok: false, error: shortageError(shortage) };
  }

  /** The recipient has the message already, or has another under its id; undefined where it has none. */
  async #repeated({ draft }: Outgoing, to: PeerRef): Promise<EnqueueResult | undefined> {
    const { registers, engine } = this.#mail;
    const { from, messageId, fingerprint } = draft;
    const key = { to: to.peerId, from: from.peerId, messageId };
    const stored = await registers.readMailOf(engine.subjects.mail(key));
    if (stored === undefined) return undefined;
    if (stored.head.fingerprint !== fingerprint) {
      const words = `The sender used the message id ${messageId} for other content.`;
      return refused("MESSAGE_ID_REUSED", words);
    }
    const message = readMessage(stored.body);
    if (message === undefined) {
      return refused("DATA_LOSS", `The stored message ${messageId} is damaged.`);
    }
    const kept = await registers.readOf(stored.head);
    if (kept === undefined) return undefined;
    return { ok: true, duplicate: true, message, receipt: toReceipt(kept.register.receipt) };
  }
}

interface Earlier {
  readonly head: MailHead;
  readonly body: Uint8Array;
}

function refused(code: StoreError["code"], words: string): EnqueueResult {
  return { ok: false, error: new StoreError(code, words) };
}
