import type { NextMsgRequest } from "@nats-io/jetstream";
import { StoreError } from "../../../broker/store/store.js";
import type { Link } from "../connect.js";
import { sleep, systemClock } from "../../../clock.js";
import { deleteMessage } from "../delete-message.js";
import { leaseRetryMs, publishDeadlineMs } from "../limits.js";
import { explainApi } from "../link-error.js";
import { throughElection } from "../through-election.js";
import type { NatsOptions } from "../../../contract/nats-options.js";
import type { Publisher } from "../publish.js";
import type { StreamNames } from "../streams.js";
import type { MailSubjects } from "../subjects.js";
import {
  doubtfulRegister,
  firstRegister,
  formatRegister,
  readHead,
  readRegister,
} from "./mail-record.js";
import type { MailHead, Register } from "./mail-record.js";
import type { KeptRegister, MailView } from "./mail-view.js";
import type { OwnMail } from "./own-mail.js";

export interface Engine {
  readonly link: Link;
  readonly publisher: Publisher;
  readonly names: StreamNames;
  readonly nats: NatsOptions;
  readonly subjects: MailSubjects;
}

/** A message of a stream, as the engine's leader has it. */
export interface StoredMail {
  readonly head: MailHead;
  readonly body: Uint8Array;
}

/** What a change makes of a register; undefined: it stays as it is. */
export type Change = (register: Register, head: MailHead | undefined) => Register | undefined;

/** Reads of the engine's leaders, and changes of registers by compare-and-set. */
export class Registers {
  readonly #engine: Engine;
  readonly #view: MailView;
  readonly #own: OwnMail;
  readonly #closing: AbortSignal;
  /** The last change of each delivery that is under way here. */
  readonly #underWay = new Map<number, Promise<unknown>>();

  /** @param closing what is tried until it succeeds, ends then. */
  constructor(engine: Engine, view: MailView, own: OwnMail, closing: AbortSignal) {
    this.#engine = engine;
    this.#closing = closing;
    this.#view = view;
    this.#own = own;
  }

  /**
   * Where a delivery stands, and its revision; undefined where there is none. One that is open here is told
   * from what was heard: others may have moved it a moment ago.
   */
  async read(peerId: string, seq: number): Promise<KeptRegister | undefined> {
    const open = this.#view.find(peerId, seq);
    return open === undefined ? this.readStored(peerId, seq) : open;
  }

  /** The same, as the engine has it now. */
  async readStored(peerId: string, seq: number): Promise<KeptRegister | undefined> {
    const head = (await this.readMail(seq))?.head;
    return head?.to.peerId === peerId ? this.readStoredOf(head) : undefined;
  }

  /** As `read`, of a message that was just read. */
  async readOf(head: MailHead): Promise<KeptRegister | undefined> {
    return this.#view.find(head.to.peerId, head.seq) ?? this.readStoredOf(head);
  }

  /** As `readStored`, of a message that was just read. */
  async readStoredOf(head: MailHead): Promise<KeptRegister | undefined> {
    const { names, subjects } = this.#engine;
    const { to, seq, messageId } = head;
    const subject = subjects.receipt({ to: to.peerId, seq, messageId });
    const stored = await this.#ask(names.receipts, { last_by_subj: subject });
    if (stored === undefined) return { register: firstRegister(head), revision: 0 };
    const register = readRegister(stored.data) ?? doubtfulRegister(head);
    return register.isRemoved ? undefined : { register, revision: stored.seq };
  }

  /** The message of a delivery; undefined where it is not kept. */
  readMail(seq: number): Promise<StoredMail | undefined> {
    return this.#mailAt({ seq });
  }

  /** The message that a subject has. */
  readMailOf(subject: string): Promise<StoredMail | undefined> {
    return this.#mailAt({ last_by_subj: subject });
  }

  /** The first message at or after `seq` on such a subject. */
  async readNext(seq: number, filter: string): Promise<StoredMail | undefined> {
    for (let from = seq; ;) {
      const stored = await this.#ask(this.#engine.names.mail, { seq: from, next_by_subj: filter });
      if (stored === undefined) return undefined;
      const mail = this.#toMail(stored);
      if (mail !== undefined) return mail;
      from = stored.seq + 1;
    }
  }

  /**
   * Changes where a delivery stands, after the changes of it that are under way here. Where another gateway
   * changed it first, the change is made to what that left. NOT_FOUND; UNAVAILABLE.
   */
  change(peerId: string, seq: number, change: Change): Promise<Changed> {
    const before = this.#underWay.get(seq);
    const work = (): Promise<Changed> => this.#change(peerId, seq, change);
    const changing = before === undefined ? work() : before.then(work, work);
    this.#underWay.set(seq, changing);
    const end = (): void => {
      if (this.#underWay.get(seq) === changing) this.#underWay.delete(seq);
    };
    changing.then(end, end);
    return changing;
  }

  /** Removes the message of a removed delivery. That its register says so counts: this may fail. */
  async deleteMail(seq: number): Promise<void> {
    const { link, names } = this.#engine;
    await deleteMessage(link.manager, names.mail, seq).catch(() => {});
  }

  /** Forgets a register, by its sequence. This may fail. */
  async deleteReceipt(seq: number): Promise<void> {
    const { link, names } = this.#engine;
    await deleteMessage(link.manager, names.receipts, seq).catch(() => {});
  }

  async #change(peerId: string, seq: number, change: Change): Promise<Changed> {
    let known: KeptRegister | undefined = this.#view.find(peerId, seq);
    for (;;) {
      known ??= await this.readStored(peerId, seq);
      if (known === undefined) {
        this.#view.drop(peerId, seq);
        throw new StoreError("NOT_FOUND", `The queue of ${peerId} has no message ${seq}.`);
      }
      const { register, revision } = known;
      const next = change(register, this.#view.find(peerId, seq)?.head);
      if (next === undefined) return { before: register, register, isChanged: false };
      const { publisher, names, subjects } = this.#engine;
      const outcome = await publisher.publish({
        stream: names.receipts,
        subject: subjects.receipt({ to: peerId, seq, messageId: register.messageId }),
        ...formatRegister(next),
        expect: { lastSubjectSeq: revision },
      });
      if (outcome.state === "stored") {
        const kept = { register: next, revision: outcome.seq };
        this.#own.moved(kept.revision, next);
        if (!this.#view.apply(peerId, seq, kept)) await this.reopen(seq);
        return { before: register, register: next, isChanged: true };
      }
      if (outcome.state !== "conflict") throw toStoreError(outcome);
      known = await this.readStored(peerId, seq);
      if (known !== undefined) this.#view.apply(peerId, seq, known);
    }
  }

  /** A dead letter was redriven, here or elsewhere. While the engine does not answer, it is asked again. */
  async reopen(seq: number): Promise<void> {
    while (!this.#closing.aborted) {
      try {
        const mail = await this.readMail(seq);
        return this.#view.reopen(seq, mail?.head);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        await sleep(leaseRetryMs, this.#closing).catch(() => {});
      }
    }
  }

  async #mailAt(query: MailQuery): Promise<StoredMail | undefined> {
    const stored = await this.#ask(this.#engine.names.mail, query);
    return stored && this.#toMail(stored);
  }

  #toMail(stored: StoredMessage): StoredMail | undefined {
    const { subject, seq, data } = stored;
    const head = readHead(this.#engine.subjects, {
      subject,
      seq,
      sizeBytes: data.byteLength,
      header: (name) => stored.header.get(name),
    });
    return head && { head, body: data };
  }

  async #ask(stream: string, query: MailQuery): Promise<StoredMessage | undefined> {
    const { link, nats } = this.#engine;
    // The servers' API has known the next one of a subject for long; the client's types do not.
    const asked = query as Parameters<StreamsApi["getMessage"]>[1];
    const endMs = systemClock.monotonic() + publishDeadlineMs;
    try {
      const stored = await throughElection(link, { clock: systemClock, endMs }, ({ streams }) =>
        streams.getMessage(stream, asked),
      );
      return stored ?? undefined;
    } catch (cause) {
      throw new StoreError("UNAVAILABLE", explainApi(cause, nats).message, { cause });
    }
  }
}

type StreamsApi = Link["manager"]["streams"];
type MailQuery = Parameters<StreamsApi["getMessage"]>[1] | NextMsgRequest;
type StoredMessage = NonNullable<Awaited<ReturnType<StreamsApi["getMessage"]>>>;

export interface Changed {
  readonly before: Register;
  readonly register: Register;
  readonly isChanged: boolean;
}

/** Of a publish that stored nothing. */
export function toStoreError(outcome: {
  state: "full" | "refused" | "unavailable";
  words: string;
}): StoreError {
  return new StoreError(outcome.state === "full" ? "FULL" : "UNAVAILABLE", outcome.words);
}
