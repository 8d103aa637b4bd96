import { Urgency } from "../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import type { Clock } from "../clock.js";
import { DoorbellBox, type Turn } from "../hosts/doorbell/doorbell-box.js";
import type { BoxKey } from "../hosts/doorbell/box-folder.js";
import type { WakeResult } from "../hosts/host.js";
import { doorbellText } from "./doorbell-text.js";
import { firstRepeatMs, gatherMs, maxRings, quietMs, wakeProofMs } from "./limits.js";
import type { AgentMail } from "./presentations.js";

/** Wakes an idle session by other means than its box. Never rejects. */
export type Waker = (line: string, signal: AbortSignal) => Promise<WakeResult>;

/**
 * Tells the agent that it has mail, and the broker how the agent can be told.
 *
 * One doorbell is rung for what is unread. It hangs where the host's next hook takes it. Where the host
 * is idle and somebody waits to wake it, it wakes the agent. While nothing is read it is rung again
 * after 30 s, then after twice as long each time, five times in all. Later it is rung once more for
 * what came since. An interrupt rings at once. Each result of the agent's own calls tells it too, and
 * puts the next one off. It is silent once all is read. What is only for information wakes nobody; of
 * what waits at the broker, beyond the credit, that is not known.
 *
 * How the agent is reached is what was seen of this session. It *wakes* while a call of it waits for
 * mail, and once it read its mail after it was woken. It is told at its *next turn* once it called a
 * tool or a hook of its host ran. Before that, mail is *stored*.
 */
export class Doorbells {
  readonly #mail: AgentMail;
  readonly #clock: Clock;
  readonly #wakers: readonly Waker[];
  readonly #onReach: (reach: Reach) => void;
  readonly #onMoved: () => void;
  readonly #threadNow: () => string | undefined;
  readonly #end = new AbortController();
  #box: DoorbellBox | undefined;
  #turn: Turn | undefined;
  /** Doorbells rung for what is unread. */
  #rings = 0;
  /** The keys of what the agent was told of, and when it was told last. */
  #known: ReadonlySet<string> = new Set();
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #lastCallMs = Number.NEGATIVE_INFINITY;
  #running = 0;
  #waiting = 0;
  #isSeen = false;
  /** The host took a line for its next turn, and has not begun one since. */
  #isQueued = false;
  /** When the session was last woken, and nothing read since. */
  #wokenAtMs: number | undefined;
  #wakes = false;
  #reach = Reach.STORED;

  constructor(options: {
    mail: AgentMail;
    clock: Clock;
    wakers: readonly Waker[];
    onReach: (reach: Reach) => void;
    /** A hook told that the host is in another conversation; which one, the doorbells know. */
    onMoved: () => void;
    /** The context of the host whose hooks use the box, as its calls name it. */
    threadNow: () => string | undefined;
  }) {
    this.#mail = options.mail;
    this.#clock = options.clock;
    this.#wakers = options.wakers;
    this.#onReach = options.onReach;
    this.#onMoved = options.onMoved;
    this.#threadNow = options.threadNow;
    void this.#follow();
  }

  /** Meets the host's hooks in this folder from now on. */
  meetAt(key: BoxKey): void {
    this.#box?.close();
    this.#box = undefined;
    // Another has taken over: the folder is its.
    if (this.#end.signal.aborted) return;
    this.#box = DoorbellBox.open(key, {
      taken: () => this.#saw(),
      moved: () => this.#onMoved(),
      turned: (turn, agoMs) => this.#turned(turn, agoMs),
    });
    if (this.#rings > 0) this.#box?.hang(doorbellText(this.#mail.unread));
  }

  /** The host's own name of the conversation that it is in, as its hooks told last; undefined before they did. */
  get conversation(): string | undefined {
    return this.#box?.conversation;
  }

  /** Takes the host to be in this conversation until a hook tells another. */
  assume(conversation: string): void {
    this.#box?.assume(conversation);
  }

  /** Runs a call of the agent; its result tells what is unread. */
  async during<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    this.#saw();
    this.#isQueued = false;
    this.#running++;
    this.#lastCallMs = this.#clock.monotonic();
    const before = this.#mail.unread.count;
    try {
      return await call();
    } finally {
      this.#running--;
      this.#lastCallMs = this.#clock.monotonic();
      if (this.#mail.unread.count < before) this.#prove();
      // A call that the host gave up tells nobody.
      if (!signal.aborted) this.#told();
    }
  }

  /** Runs what ends as soon as mail comes. */
  async whileWaiting<T>(wait: () => Promise<T>): Promise<T> {
    this.#waiting++;
    this.#publish();
    try {
      return await wait();
    } finally {
      this.#waiting--;
      this.#publish();
    }
  }

  close(): void {
    this.#end.abort();
    clearTimeout(this.#timer);
    this.#box?.close();
    this.#box = undefined;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      await this.#mail.inbox.nextChange(signal).catch(ignore);
      if (!signal.aborted) this.#review();
    }
  }

  /** What is unread has changed. */
  #review(): void {
    const { unread } = this.#mail;
    if (unread.count === 0) return this.#silence();
    if (this.#rings === 0) this.#timer ??= this.#ringIn(gatherMs);
    else if (this.#box?.renew(doorbellText(unread)) !== true) this.#ringForNews();
  }

  /** What was unread was told already, and now there is more: an interrupt is told at once. */
  #ringForNews(): void {
    const news = this.#mail.inbox.list().filter((held) => !this.#known.has(held.key));
    const urgencies = news.map(({ message }) => message.urgency);
    if (urgencies.every((urgency) => urgency === Urgency.FYI)) return;
    this.#known = new Set([...this.#known, ...news.map(({ key }) => key)]);
    if (urgencies.includes(Urgency.INTERRUPT)) {
      clearTimeout(this.#timer);
      this.#timer = this.#ringIn(gatherMs);
    } else {
      const sinceMs = this.#clock.monotonic() - this.#toldAtMs;
      this.#timer ??= this.#ringIn(Math.max(gatherMs, this.#repeatMs() - sinceMs));
    }
  }

  /** The agent has just been told what is unread, by a result. */
  #told(): void {
    if (this.#mail.unread.count === 0) return this.#silence();
    this.#remember();
    // The last doorbell stays: none comes after it.
    if (this.#rings < maxRings) this.#box?.takeDown();
    this.#rings = Math.max(this.#rings, 1);
    this.#repeat();
  }

  /** All is read. */
  #silence(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#rings = 0;
    this.#remember();
    this.#box?.takeDown();
  }

  /** What is unread now is no news any more. */
  #remember(): void {
    this.#toldAtMs = this.#clock.monotonic();
    this.#known = new Set(this.#mail.inbox.list().map(({ key }) => key));
  }

  #ring(): void {
    this.#timer = undefined;
    if (this.#end.signal.aborted || this.#waiting > 0 || this.#mail.unread.count === 0) return;
    this.#rings = Math.min(this.#rings + 1, maxRings);
    this.#remember();
    this.#box?.hang(doorbellText(this.#mail.unread));
    this.#expectProof();
    void this.#wake();
    this.#repeat();
  }

  /**
   * Wakes an idle session. One that seems busy is woken too, by whoever waits for it, when a doorbell
   * was ignored: no hook tells that a turn was interrupted. Whoever is woken takes the bell himself.
   */
  async #wake(): Promise<void> {
    const isIdle = this.#isIdle();
    if (!this.#isForNow() || !(isIdle || this.#rings > 1)) return;
    if (this.#box?.poke() === true) {
      if (isIdle) this.#wokenAtMs ??= this.#clock.monotonic();
      return;
    }
    const result = isIdle ? await this.#wakeOtherwise() : "refused";
    if (result !== "refused") this.#wokenAtMs ??= this.#clock.monotonic();
    else if (isIdle) {
      this.#wakes = false;
      this.#publish();
    }
  }

  async #wakeOtherwise(): Promise<WakeResult> {
    // The one before was not taken up yet.
    if (this.#isQueued) return "sent";
    // Not by the hook that the wake itself sets off: one doorbell is enough.
    this.#box?.takeDown();
    const known = this.#known;
    let best: WakeResult = "refused";
    for (const wake of this.#wakers) {
      const result = await wake(doorbellText(this.#mail.unread), this.#end.signal);
      this.#isQueued ||= result === "taken";
      if (result === "taken") return result;
      if (result === "sent") best = result;
    }
    // Unless a result has told it meanwhile.
    const { unread } = this.#mail;
    if (unread.count > 0 && this.#known === known) this.#box?.hang(doorbellText(unread));
    return best;
  }

  #repeat(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#rings >= maxRings) return;
    this.#timer = this.#ringIn(this.#repeatMs());
  }

  #repeatMs(): number {
    return firstRepeatMs * 2 ** (this.#rings - 1);
  }

  /** Something unread asks for more than to be known. What waits at the broker counts as such. */
  #isForNow(): boolean {
    const here = this.#mail.inbox.list();
    return (
      this.#mail.unread.count > here.length ||
      here.some(({ message }) => message.urgency !== Urgency.FYI)
    );
  }

  /** A host whose hooks tell nothing is taken for idle when it has been quiet for a while. */
  #isIdle(): boolean {
    if (this.#turn !== undefined) return this.#turn === "idle";
    return this.#running === 0 && this.#clock.monotonic() - this.#lastCallMs >= quietMs;
  }

  #turned(turn: Turn, agoMs: number): void {
    this.#turn = turn;
    this.#isQueued = false;
    this.#mail.presentations.hookRan(this.#threadNow(), this.#clock.monotonic() - agoMs);
    this.#saw();
    // The mail came while the hook that ended the turn was running.
    if (turn === "idle" && this.#rings > 0 && this.#box?.isHung === true) void this.#wake();
  }

  /** The host was seen to act in this session. */
  #saw(): void {
    this.#isSeen = true;
    this.#publish();
  }

  /** Mail was read: if the session was woken not long ago, waking works. */
  #prove(): void {
    if (this.#wokenAtMs === undefined) return;
    this.#wakes = this.#clock.monotonic() - this.#wokenAtMs <= wakeProofMs;
    this.#wokenAtMs = undefined;
    this.#publish();
  }

  /** The session was woken, and nothing came of it in good time. */
  #expectProof(): void {
    if (this.#wokenAtMs === undefined) return;
    if (this.#clock.monotonic() - this.#wokenAtMs <= wakeProofMs) return;
    this.#wakes = false;
    this.#publish();
  }

  #publish(): void {
    const isTold = this.#isSeen ? Reach.NEXT_TURN : Reach.STORED;
    const reach = this.#wakes || this.#waiting > 0 ? Reach.WAKES : isTold;
    if (reach === this.#reach) return;
    this.#reach = reach;
    this.#onReach(reach);
  }

  #ringIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#ring(), ms).unref();
  }
}

function ignore(): void {}
