import { randomUUID } from "node:crypto";
import { errors, type Msg, type Subscription } from "@nats-io/transport-node";
import { AbortScope } from "../../../abort-scope.js";
import type { Presence } from "../../../broker/store/peers.js";
import { sleep, systemClock } from "../../../clock.js";
import { visibleLine } from "../../../contract/peer-text.js";
import type { Link } from "../connect.js";
import {
  beatMs,
  maxPresenceRuns,
  maxPresencesOfRun,
  maxSilentBeats,
  presenceHearingMs,
} from "../limits.js";
import { permissionWords } from "../link-error.js";
import type { PresenceClaims } from "./presence-claims.js";
import {
  decodePresence,
  encodeAll,
  encodePresence,
  type PresenceMessage,
  type Said,
} from "./presence-message.js";

export interface PresenceExchangeOptions {
  readonly link: Link;
  /** Of the subjects, without the last dot. No stream keeps them. */
  readonly prefix: string;
  /** What all brokers say, this one too. */
  readonly claims: PresenceClaims;
  /** Hears, in words, of what cannot be read or is not allowed. */
  readonly tell: (words: string) => void;
}

/** Another broker's process, as far as it was heard. */
interface OtherRun {
  /** Up to where it is known what it says; -1: nothing yet. */
  serial: number;
  readonly presences: Map<string, Presence>;
  silentBeats: number;
  /** When it was asked for all, by the monotonic clock. */
  askedMs: number;
  /** The parts that came of all that it says. */
  parts: { readonly serial: number; readonly said: (readonly Said[] | undefined)[] } | undefined;
}

/**
 * Tells other brokers which sessions this one has, and hears of theirs. It uses messages of core NATS, which no
 * stream keeps: what a broker says ends with its process, and elections of JetStream do not hold it up.
 *
 * - Each broker numbers what it says. Every `beatMs` it says that it lives, and the last number.
 * - Whoever has missed a number asks for all that the broker says. So what is lost is asked for again, and
 *   nothing waits while there is no connection: then the newest is all that there is to say.
 * - A broker that is silent for `maxSilentBeats` is gone, and so is what it said. Heard again, it is asked
 *   again. Silence counts only while this broker hears its own beats come back. So it calls nobody gone
 *   while it was itself cut off, or stood still.
 */
export class PresenceExchange implements AsyncDisposable {
  readonly #link: Link;
  readonly #prefix: string;
  readonly #claims: PresenceClaims;
  readonly #tell: (words: string) => void;
  readonly #run = randomUUID();
  readonly #own = new Map<string, Presence>();
  readonly #others = new Map<string, OtherRun>();
  /** By subject. */
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #closing = new AbortController();
  readonly #watch: Disposable;
  readonly #heard: Promise<void>;
  #beat: Disposable;
  #serial = 0;
  #countedMs = -Infinity;
  readonly #toldOnce = new Set<string>();

  constructor({ link, prefix, claims, tell }: PresenceExchangeOptions) {
    this.#link = link;
    this.#prefix = prefix;
    this.#claims = claims;
    this.#tell = tell;
    this.#subscribe();
    this.#watch = link.watch(({ state }) => {
      if (state !== "connected") return;
      this.#subscribe();
      this.#sayBeat();
    });
    this.#beat = this.#nextBeat();
    this.#heard = this.#greet();
  }

  /** The server ends a subscription that the user is not allowed. It may be by the next connection. */
  #subscribe(): void {
    const hear = (error: Error | null, message: Msg): void => {
      if (error === null) this.#hear(message);
      else this.#complain(error);
    };
    for (const subject of [`${this.#prefix}.all`, `${this.#prefix}.to.${this.#run}`]) {
      if (this.#subscriptions.get(subject)?.isClosed() === false) continue;
      const subscription = this.#link.connection.subscribe(subject, { callback: hear });
      this.#subscriptions.set(subject, subscription);
    }
  }

  /** Resolves once the brokers that were there at the start had the time to say what they have. */
  get heard(): Promise<void> {
    return this.#heard;
  }

  /** See `PeerStore.announce`. */
  announce(peerId: string, presence: Presence | undefined): void {
    if (presence === undefined && !this.#own.has(peerId)) return;
    this.#serial += 1;
    if (presence === undefined) this.#own.delete(peerId);
    else this.#own.set(peerId, presence);
    const said: Said = { peerId, presence: presence ?? null };
    this.#say(`${this.#prefix}.all`, {
      kind: "said",
      run: this.#run,
      serial: this.#serial,
      ...said,
    });
    this.#claims.set(this.#run, peerId, presence);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#say(`${this.#prefix}.all`, { kind: "end", run: this.#run });
    this.#closing.abort(new Error("the exchange of presences is closed"));
    this.#watch[Symbol.dispose]();
    this.#beat[Symbol.dispose]();
    for (const subscription of this.#subscriptions.values()) subscription.unsubscribe();
    await this.#heard;
  }

  /** Asks who is there. Where nobody is, the server says so at once. */
  async #greet(): Promise<void> {
    const subject = `${this.#prefix}.hello`;
    const beat = encodePresence({ kind: "beat", run: this.#run, serial: 0 });
    using time = new AbortScope([this.#closing.signal, this.#link.lost], presenceHearingMs);
    const answer = this.#link.connection.request(subject, beat, { timeout: presenceHearingMs });
    try {
      await answer;
      // More than one may answer, and each is asked for all that it says.
      await sleep(presenceHearingMs, time.signal).catch(() => {});
    } catch {
      // Nobody is there, or they come later.
    }
    if (this.#closing.signal.aborted) return;
    const callback = (error: Error | null, message: Msg): void => {
      if (error !== null) return this.#complain(error);
      message.respond(encodePresence({ kind: "beat", run: this.#run, serial: this.#serial }));
      this.#sayBeat();
    };
    this.#subscriptions.set(subject, this.#link.connection.subscribe(subject, { callback }));
    this.#sayBeat();
  }

  #nextBeat(): Disposable {
    return systemClock.after(beatMs, () => {
      this.#beat = this.#nextBeat();
      this.#sayBeat();
    });
  }

  #sayBeat(): void {
    this.#say(`${this.#prefix}.all`, { kind: "beat", run: this.#run, serial: this.#serial });
  }

  #say(subject: string, message: PresenceMessage): void {
    this.#publish(subject, encodePresence(message));
  }

  #publish(subject: string, data: Uint8Array): void {
    // What is said later is known by its number to be missed.
    if (this.#link.state.state !== "connected" || this.#closing.signal.aborted) return;
    try {
      this.#link.connection.publish(subject, data);
    } catch {
      // The connection has just been closed.
    }
  }

  #hear({ data, subject }: Msg): void {
    if (this.#closing.signal.aborted) return;
    const message = decodePresence(data);
    if (message === undefined) {
      this.#tellOnce(`a message on ${subject} of NATS cannot be read; such messages are left out`);
      return;
    }
    const { run } = message;
    if (run === this.#run) {
      if (message.kind === "beat") this.#countSilence();
      return;
    }
    if (message.kind === "end") return this.#forget(run);
    if (message.kind === "ask") return this.#answer(run);
    const other = this.#other(run);
    if (other === undefined) return;
    other.silentBeats = 0;
    switch (message.kind) {
      case "beat":
        if (message.serial > other.serial) this.#ask(run, other, message.serial);
        break;
      case "said":
        if (message.serial === other.serial + 1) this.#take(run, other, message);
        else if (message.serial > other.serial) this.#ask(run, other, message.serial);
        break;
      case "all":
        this.#collect(run, other, message);
    }
  }

  /** The server has ended a subscription. */
  #complain(error: Error): void {
    if (this.#closing.signal.aborted) return;
    const isPermission = error instanceof errors.PermissionViolationError;
    const why = isPermission ? permissionWords(error) : visibleLine(error.message);
    this.#tellOnce(`what other brokers say of sessions is not heard: ${why}`);
  }

  #tellOnce(words: string): void {
    if (this.#toldOnce.has(words)) return;
    this.#toldOnce.add(words);
    this.#tell(words);
  }

  /** Its own beat has come back; several may come at once after a time without a connection. */
  #countSilence(): void {
    const nowMs = systemClock.monotonic();
    if (nowMs - this.#countedMs < beatMs / 2) return;
    this.#countedMs = nowMs;
    for (const [run, other] of this.#others) {
      other.silentBeats += 1;
      if (other.silentBeats > maxSilentBeats) this.#forget(run);
    }
  }

  #other(run: string): OtherRun | undefined {
    const known = this.#others.get(run);
    if (known !== undefined || this.#others.size >= maxPresenceRuns) return known;
    const other: OtherRun = {
      serial: -1,
      presences: new Map(),
      silentBeats: 0,
      askedMs: -Infinity,
      parts: undefined,
    };
    this.#others.set(run, other);
    return other;
  }

  #forget(run: string): void {
    this.#others.delete(run);
    this.#claims.replace(run, new Map());
  }

  #ask(run: string, other: OtherRun, serial: number): void {
    // Who has said nothing yet has nothing to tell.
    if (serial === 0) {
      other.serial = 0;
      return;
    }
    const nowMs = systemClock.monotonic();
    if (nowMs - other.askedMs < beatMs / 2) return;
    other.askedMs = nowMs;
    this.#say(`${this.#prefix}.to.${run}`, { kind: "ask", run: this.#run });
  }

  #answer(run: string): void {
    for (const part of encodeAll(this.#run, this.#serial, this.#own)) {
      this.#publish(`${this.#prefix}.to.${run}`, part);
    }
  }

  #take(run: string, other: OtherRun, said: Said & { serial: number }): void {
    const { peerId, presence } = said;
    other.serial = said.serial;
    if (presence === null) other.presences.delete(peerId);
    else if (other.presences.has(peerId) || other.presences.size < maxPresencesOfRun) {
      other.presences.set(peerId, presence);
    } else return;
    this.#claims.set(run, peerId, presence ?? undefined);
  }

  #collect(run: string, other: OtherRun, message: PresenceMessage & { kind: "all" }): void {
    const { serial, part, parts, said } = message;
    if (serial <= other.serial) return;
    if (other.parts?.serial !== serial || other.parts.said.length !== parts) {
      other.parts = { serial, said: Array.from({ length: parts }) };
    }
    other.parts.said[part] = said;
    if (other.parts.said.includes(undefined)) return;
    const all = other.parts.said.flatMap((one) => one ?? []);
    other.parts = undefined;
    other.serial = serial;
    other.presences.clear();
    for (const { peerId, presence } of all.slice(0, maxPresencesOfRun)) {
      if (presence !== null) other.presences.set(peerId, presence);
    }
    this.#claims.replace(run, other.presences);
  }
}
