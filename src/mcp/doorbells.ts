import { Urgency } from "../../gen/peerline/v1/message_pb.js";
import type { Reach } from "../../gen/peerline/v1/peer_pb.js";
import type { Clock } from "../clock.js";
import type { BoxKey } from "../hosts/doorbell/box-folder.js";
import { DoorbellBox, type Turn } from "../hosts/doorbell/doorbell-box.js";
import type { WakeResult } from "../hosts/host.js";
import { maxRings } from "./limits.js";
import type { AgentMail } from "./presentations.js";
import { doorbellText, RingSchedule } from "./ring-schedule.js";
import { SessionReach } from "./session-reach.js";
import { Waking, type Waker } from "./waking.js";

/**
 * Tells the agent that it has mail, and the broker how the agent can be told.
 *
 * One doorbell is rung for what is unread. It hangs where the host's next hook takes it. Where the host is
 * idle and somebody waits to wake it, it wakes the agent. Each result of the agent's own calls tells it
 * too. It is silent once all is read. Mail that is only for information wakes nobody. Mail that waits at
 * the broker, beyond the credit, is not known to be such.
 */
export class Doorbells {
  readonly #mail: AgentMail;
  readonly #clock: Clock;
  readonly #schedule: RingSchedule;
  readonly #waking: Waking;
  readonly #reach: SessionReach;
  readonly #onMoved: () => void;
  readonly #contextNow: () => string | undefined;
  readonly #end = new AbortController();
  #box: DoorbellBox | undefined;

  constructor(options: {
    mail: AgentMail;
    clock: Clock;
    wakers: readonly Waker[];
    onReach: (reach: Reach) => void;
    /** A hook told that the host is in another conversation; `conversation` says which. */
    onMoved: () => void;
    /** The context of the host whose hooks use the box, as its calls name it. */
    contextNow: () => string | undefined;
  }) {
    const { mail, clock } = options;
    this.#mail = mail;
    this.#clock = clock;
    this.#waking = new Waking(clock, options.wakers);
    this.#reach = new SessionReach(clock, options.onReach);
    this.#schedule = new RingSchedule({
      mail,
      clock,
      mayRing: () => !this.#end.signal.aborted && !this.#reach.isWaiting && mail.unread.count > 0,
      ring: () => this.#ring(),
    });
    this.#onMoved = options.onMoved;
    this.#contextNow = options.contextNow;
    void this.#follow();
  }

  /** Meets the host's hooks in this folder from now on. */
  meetAt(key: BoxKey): void {
    this.#box?.close();
    this.#box = undefined;
    // Another has taken over: the folder is its.
    if (this.#end.signal.aborted) return;
    this.#box = DoorbellBox.open(key, {
      taken: () => this.#reach.saw(),
      moved: () => this.#onMoved(),
      turned: (turn, agoMs) => this.#turned(turn, agoMs),
    });
    if (this.#schedule.rings > 0) this.#hang();
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
    this.#reach.saw();
    const before = this.#mail.unread.count;
    const running = this.#waking.beginCall();
    try {
      return await call();
    } finally {
      running[Symbol.dispose]();
      if (this.#mail.unread.count < before) this.#reach.prove();
      // A call that the host gave up tells nobody.
      if (!signal.aborted) this.#told();
    }
  }

  /** Runs what ends as soon as mail comes. */
  whileWaiting<T>(wait: () => Promise<T>): Promise<T> {
    return this.#reach.whileWaiting(wait);
  }

  close(): void {
    this.#end.abort();
    this.#schedule.close();
    this.#box?.close();
    this.#box = undefined;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      await this.#mail.inbox.nextChange(signal).catch(() => {});
      if (!signal.aborted) this.#review();
    }
  }

  /** What is unread has changed. */
  #review(): void {
    const { unread } = this.#mail;
    if (unread.count === 0) return this.#silence();
    const isShown = this.#schedule.rings > 0 && this.#box?.renew(doorbellText(unread)) === true;
    if (!isShown) this.#schedule.review();
  }

  /** The agent has just been told what is unread, by a result. */
  #told(): void {
    if (this.#mail.unread.count === 0) return this.#silence();
    // The last doorbell stays: none comes after it.
    if (this.#schedule.rings < maxRings) this.#box?.takeDown();
    this.#schedule.told();
  }

  /** All is read. */
  #silence(): void {
    this.#schedule.silence();
    this.#box?.takeDown();
  }

  #ring(): void {
    this.#hang();
    this.#reach.expectProof();
    void this.#wake();
  }

  #hang(): void {
    this.#box?.hang(doorbellText(this.#mail.unread));
  }

  /**
   * Wakes an idle session. One that seems busy is woken too, by whoever waits for it, when a doorbell
   * was ignored: no hook tells that a turn was interrupted. Whoever is woken takes the bell himself.
   */
  async #wake(): Promise<void> {
    const { isIdle } = this.#waking;
    if (!this.#isForNow() || !(isIdle || this.#schedule.rings > 1)) return;
    if (this.#box?.poke() === true) {
      if (isIdle) this.#reach.woken();
      return;
    }
    if (!isIdle) return;
    if ((await this.#wakeOtherwise()) === "refused") this.#reach.refused();
    else this.#reach.woken();
  }

  async #wakeOtherwise(): Promise<WakeResult> {
    // The one before was not taken up yet.
    if (this.#waking.isQueued) return "sent";
    // Not by the hook that the wake itself sets off: one doorbell is enough.
    this.#box?.takeDown();
    const { known } = this.#schedule;
    const line = () => doorbellText(this.#mail.unread);
    const result = await this.#waking.wake(line, this.#end.signal);
    // Unless a result has told it meanwhile.
    const isStillNews = this.#mail.unread.count > 0 && this.#schedule.known === known;
    if (result !== "taken" && isStillNews) this.#hang();
    return result;
  }

  /** Something unread asks for more than to be known. What waits at the broker counts as such. */
  #isForNow(): boolean {
    const here = this.#mail.inbox.list();
    return (
      this.#mail.unread.count > here.length ||
      here.some(({ message }) => message.urgency !== Urgency.FYI)
    );
  }

  #turned(turn: Turn, agoMs: number): void {
    this.#waking.turned(turn);
    this.#mail.presentations.hookRan(this.#contextNow(), this.#clock.monotonic() - agoMs);
    this.#reach.saw();
    // The mail came while the hook that ended the turn was running.
    if (turn === "idle" && this.#schedule.rings > 0 && this.#box?.isHung === true) {
      void this.#wake();
    }
  }
}
