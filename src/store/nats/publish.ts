import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { type ApiError, JetStreamApiError } from "@nats-io/jetstream";
import { errors, type Msg } from "@nats-io/transport-node";
import { visibleLine } from "../../contract/peer-text.js";
import { BackOff } from "../../back-off.js";
import { sleep, type Clock } from "../../clock.js";
import type { Link } from "./connect.js";
import { isPassing, permissionWords, rootOf } from "./link-error.js";
import {
  firstPublishWaitMs,
  maxPublishesInFlight,
  maxPublishWaitMs,
  publishDeadlineMs,
  publishTryMs,
} from "./limits.js";
import { type Headers, Requests } from "./requests.js";

/** A message to be kept by a stream. */
export interface Publication {
  /** The stream that keeps the subject; that no other one takes it is checked. */
  readonly stream: string;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers?: Headers;
  /**
   * What the stream's last message has to be, on this subject or on any, by its sequence; 0: there is none.
   * Absent: nothing is expected. A stream that keeps the last message of each subject may then get it twice.
   */
  readonly expect?: { readonly lastSubjectSeq: number } | { readonly lastSeq: number };
  /** Publishes of one lane are stored in the order of the calls: each waits for the end of the one before. */
  readonly lane?: string;
  /** How long it is tried, in milliseconds, from the call. Default `publishDeadlineMs`. */
  readonly deadlineMs?: number;
}

export type PublishOutcome =
  /** A majority of the stream's servers have it. */
  | { readonly state: "stored"; readonly seq: number }
  /**
   * The last message is another one than was expected; or nothing was expected, and the stream takes one
   * message of each subject. `uncertain`: an earlier try of this publish may have been stored, and replaced
   * or removed since.
   */
  | { readonly state: "conflict"; readonly uncertain: boolean }
  /** A bound of the stream, the account or the servers is reached. */
  | { readonly state: "full"; readonly words: string }
  /** It would be refused again: it is too large, or not allowed. */
  | { readonly state: "refused"; readonly words: string }
  /** It may be stored, or not. It is not tried any more. */
  | { readonly state: "unavailable"; readonly words: string };

/** What one try came to. */
type Answer =
  | Exclude<PublishOutcome, { state: "conflict" | "unavailable" }>
  /** Another message stands there: to be looked at. `isUnderWay`: it is not stored yet, and may never be. */
  | { readonly state: "unexpected"; readonly words: string; readonly isUnderWay: boolean }
  /** The stream did not store it, for one of several reasons: to be looked at. */
  | { readonly state: "not stored"; readonly words: string }
  | { readonly state: "again"; readonly words: string };

/**
 * The header by which a publish is known again. The engine's own, `Nats-Msg-Id`, is of no use beside an
 * expectation: of a repeat 2.10 says that it is one, and 2.15 that the expectation is not met.
 */
const nonceHeader = "Peerline-Attempt";

/**
 * Publishes to streams, through elections and losses of the connection. A publish has a nonce of its own,
 * the same one at each try. So a try that was stored, and whose answer got lost, is not stored twice:
 *
 * 1. Wait until the link is connected.
 * 2. Try. Where no answer came, or the stream has no leader now, wait a little, and try again.
 * 3. Where another message stands there than was expected, ask the stream's leader for the last one of the
 *    subject. With this nonce it is an earlier try. Otherwise it is a conflict.
 * 4. At the deadline it is unavailable. Where none has come through for as long already, that is after one try:
 *    no caller waits for the whole of an outage.
 *
 * Publishes without a lane reach the stream in the order of the calls, unless one has to be tried again.
 */
export class Publisher implements AsyncDisposable {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #requests: Requests;
  /** Begins the nonces of this publisher. */
  readonly #nonce = randomUUID();
  #published = 0;
  /** The end of the last publish of each lane. */
  readonly #lanes = new Map<string, Promise<PublishOutcome>>();
  readonly #waiting: (() => void)[] = [];
  readonly #underWay = new Set<Promise<PublishOutcome>>();
  readonly #closing = new AbortController();
  #inFlight = 0;
  /** Since when no publish has come through, by the monotonic clock; undefined while they do. */
  #troubleMs: number | undefined;

  constructor({ link, clock }: { link: Link; clock: Clock }) {
    setMaxListeners(0, this.#closing.signal);
    this.#link = link;
    this.#clock = clock;
    this.#requests = new Requests(link);
  }

  publish(publication: Publication): Promise<PublishOutcome> {
    const { lane, deadlineMs = publishDeadlineMs } = publication;
    const endMs = this.#clock.monotonic() + deadlineMs;
    const work = (): Promise<PublishOutcome> => this.#inTurn(publication, endMs);
    const before = lane === undefined ? undefined : this.#lanes.get(lane);
    const outcome = before === undefined ? work() : before.then(work, work);
    this.#underWay.add(outcome);
    if (lane !== undefined) this.#lanes.set(lane, outcome);
    const end = (): void => {
      this.#underWay.delete(outcome);
      if (lane !== undefined && this.#lanes.get(lane) === outcome) this.#lanes.delete(lane);
    };
    outcome.then(end, end);
    return outcome;
  }

  /** What is under way ends at once, as unavailable; so does every later publish. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the publisher is closed"));
    this.#requests[Symbol.dispose]();
    await Promise.allSettled(this.#underWay);
  }

  async #inTurn(publication: Publication, endMs: number): Promise<PublishOutcome> {
    if (this.#inFlight >= maxPublishesInFlight) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#inFlight += 1;
    try {
      return await this.#tryUntil(publication, endMs);
    } finally {
      // Whoever is next takes over the place.
      const next = this.#waiting.shift();
      if (next === undefined) this.#inFlight -= 1;
      else next();
    }
  }

  async #tryUntil(publication: Publication, endMs: number): Promise<PublishOutcome> {
    let waits: BackOff | undefined;
    const nonce = `${this.#nonce}-${this.#published++}`;
    const begunMs = this.#clock.monotonic();
    const patientUntilMs = this.#patientUntil(publication, endMs);
    let words = "JetStream did not answer in time.";
    // Whether an earlier try may have been stored.
    let isUncertain = false;
    for (;;) {
      const leftMs = patientUntilMs - this.#clock.monotonic();
      if (leftMs <= 0) return unavailable(words);
      if (this.#closing.signal.aborted) return unavailable("The store is closing.");
      const { state } = this.#link.state;
      if (state !== "connected" && !(await this.#link.whenConnected(leftMs))) {
        const now = this.#link.state;
        this.#troubleMs ??= begunMs;
        return unavailable("problem" in now ? now.problem : "The connection to NATS is closed.");
      }
      const answer = await this.#try(publication, nonce, Math.min(publishTryMs, leftMs));
      const outcome =
        answer.state === "stored"
          ? answer
          : await this.#judge(publication, { nonce, isUncertain, answer });
      if (outcome.state !== "again") {
        this.#troubleMs = undefined;
        return outcome;
      }
      this.#troubleMs ??= begunMs;
      isUncertain ||= answer.state === "again";
      ({ words } = outcome);
      waits ??= new BackOff({ firstMs: firstPublishWaitMs, maxMs: maxPublishWaitMs });
      const waitMs = Math.min(waits.nextMs(), patientUntilMs - this.#clock.monotonic());
      if (waitMs > 0) await sleep(waitMs, this.#closing.signal).catch(() => {});
    }
  }

  #patientUntil({ deadlineMs = publishDeadlineMs }: Publication, endMs: number): number {
    if (this.#troubleMs === undefined) return endMs;
    const onceMs = this.#clock.monotonic() + publishTryMs;
    return Math.min(endMs, Math.max(onceMs, this.#troubleMs + deadlineMs));
  }

  #try(publication: Publication, nonce: string, timeoutMs: number): Promise<Answer> {
    const { stream, subject, payload, headers, expect } = publication;
    const expected =
      expect === undefined
        ? {}
        : "lastSeq" in expect
          ? { [expectedLast]: `${expect.lastSeq}` }
          : { [expectedLastOfSubject]: `${expect.lastSubjectSeq}` };
    const asked = this.#requests.ask(subject, payload, {
      headers: { ...headers, [nonceHeader]: nonce, [expectedStream]: stream, ...expected },
      timeoutMs: Math.max(timeoutMs, 1),
    });
    return asked.then(storedBy).catch(answerOf);
  }

  async #judge(
    publication: Publication,
    { nonce, isUncertain, answer }: { nonce: string; isUncertain: boolean; answer: Answer },
  ): Promise<PublishOutcome | { readonly state: "again"; readonly words: string }> {
    if (answer.state !== "unexpected" && answer.state !== "not stored") return answer;
    // No earlier try was stored: what stands there is another's.
    if (answer.state === "unexpected" && !answer.isUnderWay && !isUncertain) {
      return { state: "conflict", uncertain: false };
    }
    const { stream, subject, expect } = publication;
    let last;
    try {
      // The leader answers this; what it stored is seen.
      last = await endingWith(
        [this.#link.lost, this.#closing.signal],
        this.#link.manager.streams.getMessage(stream, { last_by_subj: subject }),
      );
    } catch (error) {
      const looked = answerOf(error);
      return { state: "again", words: "words" in looked ? looked.words : answer.words };
    }
    if (last?.header.get(nonceHeader) === nonce) return { state: "stored", seq: last.seq };
    const seq = last?.seq ?? 0;
    const isAsExpected =
      expect !== undefined && "lastSubjectSeq" in expect && expect.lastSubjectSeq === seq;
    if (answer.state === "not stored") {
      const isTaken = expect === undefined ? seq > 0 : "lastSubjectSeq" in expect && !isAsExpected;
      return isTaken
        ? { state: "conflict", uncertain: isUncertain }
        : { state: "full", words: answer.words };
    }
    // An earlier try, or another's message, is still on its way through the servers.
    if (isAsExpected) return { state: "again", words: answer.words };
    return { state: "conflict", uncertain: isUncertain };
  }
}

function storedBy(answer: Msg): Answer {
  const ack = answer.json<PublishAck>();
  if (ack.error !== undefined) throw new JetStreamApiError(ack.error);
  return { state: "stored", seq: ack.seq };
}

function answerOf(error: unknown): Answer {
  const root = rootOf(error);
  const words = root instanceof Error ? visibleLine(root.message) : "";
  if (root instanceof JetStreamApiError) {
    if (root.code === unexpectedCode || root.code === underWayCode) {
      return { state: "unexpected", words, isUnderWay: root.code === underWayCode };
    }
    // Of several causes: a bound of the subject, or one of the stream.
    if (root.code === notStoredCode) return { state: "not stored", words: fullWords(words) };
    if (fullCodes.has(root.code)) return { state: "full", words: fullWords(words) };
    const isBusy = isPassing(root) || root.status === 503;
    return isBusy
      ? { state: "again", words: `JetStream cannot store now (${words}).` }
      : { state: "refused", words: `JetStream refuses the message (${words}, ${root.code}).` };
  }
  if (root instanceof errors.PermissionViolationError) {
    return { state: "refused", words: permissionWords(root) };
  }
  if (root instanceof errors.InvalidArgumentError || root instanceof errors.InvalidSubjectError) {
    return { state: "refused", words: `The NATS client refuses the message (${words}).` };
  }
  if (root instanceof TypeError || root instanceof RangeError) throw root;
  return { state: "again", words: `JetStream did not answer (${words}).` };
}

/** What a stream answers. */
type PublishAck =
  | { readonly error: ApiError }
  | { readonly error?: undefined; readonly seq: number };

const expectedStream = "Nats-Expected-Stream";
const expectedLast = "Nats-Expected-Last-Sequence";
const expectedLastOfSubject = "Nats-Expected-Last-Subject-Sequence";

/** "wrong last sequence". */
const unexpectedCode = 10_071;

/** The same of a message that the stream's servers have not agreed on yet: which it will be is not known. */
const underWayCode = 10_164;

const notStoredCode = 10_077;

/** Resources of the server, the account, its memory and its storage. */
const fullCodes: ReadonlySet<number> = new Set([10_023, 10_002, 10_028, 10_047]);

function fullWords(words: string): string {
  return `JetStream has no room for more (${words}).`;
}

function unavailable(words: string): PublishOutcome {
  return { state: "unavailable", words };
}

/** The work, unless a signal aborts first; it then goes on unheard. */
async function endingWith<T>(signals: readonly AbortSignal[], work: Promise<T>): Promise<T> {
  let onAbort: (() => void) | undefined;
  const ended = new Promise<never>((_, reject) => {
    onAbort = () => reject(signals.find(({ aborted }) => aborted)?.reason as Error);
    for (const signal of signals) signal.addEventListener("abort", onAbort);
    if (signals.some(({ aborted }) => aborted)) onAbort();
  });
  work.catch(() => {});
  try {
    return await Promise.race([work, ended]);
  } finally {
    if (onAbort !== undefined) {
      for (const signal of signals) signal.removeEventListener("abort", onAbort);
    }
  }
}
