import { Urgency } from "../../gen/peerline/v1/message_pb.js";
import type { Unread } from "../client/inbox.js";
import type { Clock } from "../clock.js";
import {
  firstRepeatMs,
  gatherMs,
  maxRings,
  maxDoorbellNameCharacters,
  maxDoorbellNames,
} from "./limits.js";
import type { AgentMail } from "./presentations.js";

interface RingOptions {
  readonly mail: AgentMail;
  readonly clock: Clock;
  /** Asked when the time has come: a doorbell that may not be rung then is not rung at all. */
  mayRing(): boolean;
  ring(): void;
}

/**
 * When a doorbell is rung for what is unread. The first is rung after a moment, in which more may come.
 * While nothing is read it is rung again after 30 s, then after twice as long each time, five times in all.
 * Later it is rung once more for what came since. An interrupt rings at once. A result that tells the agent of its
 * mail counts as a doorbell, and puts the next one off.
 */
export class RingSchedule {
  readonly #options: RingOptions;
  #rings = 0;
  #known: ReadonlySet<string> = new Set();
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #timer: Disposable | undefined;

  constructor(options: RingOptions) {
    this.#options = options;
  }

  /** Doorbells rung for what is unread. */
  get rings(): number {
    return this.#rings;
  }

  /** The keys of what the agent was told of last. It is another set each time that the agent was told. */
  get known(): ReadonlySet<string> {
    return this.#known;
  }

  /** There is mail. What was unread may have been told already, and now there is more. */
  review(): void {
    if (this.#rings === 0) {
      this.#timer ??= this.#ringIn(gatherMs);
      return;
    }
    const news = this.#options.mail.inbox.list().filter((held) => !this.#known.has(held.key));
    const urgencies = news.map(({ message }) => message.urgency);
    if (urgencies.every((urgency) => urgency === Urgency.FYI)) return;
    this.#known = new Set([...this.#known, ...news.map(({ key }) => key)]);
    if (urgencies.includes(Urgency.INTERRUPT)) {
      this.#cancel();
      this.#timer = this.#ringIn(gatherMs);
    } else {
      const sinceMs = this.#options.clock.monotonic() - this.#toldAtMs;
      this.#timer ??= this.#ringIn(Math.max(gatherMs, this.#repeatMs() - sinceMs));
    }
  }

  /** The agent has just been told what is unread, by a result. */
  told(): void {
    this.#remember();
    this.#rings = Math.max(this.#rings, 1);
    this.#repeat();
  }

  /** All is read. */
  silence(): void {
    this.#cancel();
    this.#rings = 0;
    this.#remember();
  }

  close(): void {
    this.#cancel();
  }

  #fire(): void {
    this.#timer = undefined;
    if (!this.#options.mayRing()) return;
    this.#rings = Math.min(this.#rings + 1, maxRings);
    this.#remember();
    this.#options.ring();
    this.#repeat();
  }

  /** What is unread now is no news any more. */
  #remember(): void {
    this.#toldAtMs = this.#options.clock.monotonic();
    this.#known = new Set(this.#options.mail.inbox.list().map(({ key }) => key));
  }

  #repeat(): void {
    this.#cancel();
    if (this.#rings < maxRings) this.#timer = this.#ringIn(this.#repeatMs());
  }

  #repeatMs(): number {
    return firstRepeatMs * 2 ** (this.#rings - 1);
  }

  #ringIn(ms: number): Disposable {
    return this.#options.clock.after(ms, () => this.#fire());
  }

  #cancel(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}

/**
 * The line that tells a model of its mail, without a word of its peers: hosts put it where their own
 * words stand. It holds no character that JSON or a shell gives a meaning.
 */
export function doorbellText({ count, senders, hosts }: Unread): string {
  const plain = senders.filter((name) => /^@?[a-z0-9._-]+$/.test(name));
  const named = fitting(plain, hosts);
  const others = senders.length - named.length;
  const names = [...named, ...(others > 0 ? [others === 1 ? "1 other" : `${others} others`] : [])];
  const from = names.length === 0 ? "" : ` from ${names.join(", ")}`;
  return `Peerline: ${count} unread${from}. Call get_messages.`;
}

/** The first names that the line has room for; those of another machine with its name, where there is room for that. */
function fitting(names: readonly string[], hosts: Unread["hosts"]): string[] {
  let room = maxDoorbellNameCharacters;
  return names.slice(0, maxDoorbellNames).flatMap((name) => {
    const host = hosts?.get(name);
    const place = host === undefined ? name : `${name}@${host}`;
    const shown = [place, name].find((text) => text.length <= room);
    room -= (shown ?? name).length;
    return shown ?? [];
  });
}
