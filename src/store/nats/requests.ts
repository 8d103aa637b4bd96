import { createInbox, errors, type Msg, type MsgHdrs } from "@nats-io/transport-node";
import type { Link } from "./connect.js";

/** A request whose answer has not come. */
interface Waiting {
  readonly subject: string;
  readonly resolve: (answer: Msg) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** A request that goes with the others of this turn. */
interface Outgoing {
  readonly token: string;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: Headers;
}

/** Names and values, each a line of ASCII or UTF-8. */
export type Headers = Readonly<Record<string, string>>;

/**
 * Requests to the servers, with one subscription for all answers, as the client's own are. Those cost more than
 * all the rest of a publish. Each makes errors with their stacks, a race, headers in three forms, and a write to
 * the socket of its own. These are written once for all that are asked for together, such as by those whose answers
 * came together. One listener hears of a lost connection for all of them.
 */
export class Requests implements Disposable {
  readonly #link: Link;
  readonly #inbox = createInbox();
  readonly #waiting = new Map<string, Waiting>();
  #outgoing: Outgoing[] = [];
  #asked = 0;
  #isHeard = false;
  #lost: AbortSignal | undefined;

  constructor(link: Link) {
    this.#link = link;
    void this.#followErrors();
  }

  /** Rejects at once where the connection is lost, after the time, and where nobody takes such requests. */
  ask(
    subject: string,
    payload: Uint8Array,
    { headers, timeoutMs }: { headers: Headers; timeoutMs: number },
  ): Promise<Msg> {
    return new Promise((resolve, reject) => {
      this.#hear();
      const token = (this.#asked++).toString(36);
      const timer = setTimeout(() => this.#fail(token, new errors.TimeoutError()), timeoutMs);
      this.#waiting.set(token, { subject, resolve, reject, timer });
      const { lost } = this.#link;
      if (lost.aborted) return this.#fail(token, lost.reason);
      if (lost !== this.#lost) {
        this.#lost = lost;
        lost.addEventListener("abort", () => this.#failAll(lost.reason), { once: true });
      }
      if (this.#outgoing.length === 0) this.#plan();
      this.#outgoing.push({ token, subject, payload, headers });
    });
  }

  /** What is under way is rejected. */
  [Symbol.dispose](): void {
    this.#failAll(new errors.ClosedConnectionError());
  }

  /** Behind all that is under way now, and behind what readers ask for who are woken by it. */
  #plan(): void {
    process.nextTick(() => queueMicrotask(() => process.nextTick(() => this.#write())));
  }

  #write(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    for (const { token, subject, payload, headers } of outgoing) {
      // It was given up meanwhile.
      if (!this.#waiting.has(token)) continue;
      try {
        const reply = `${this.#inbox}.${token}`;
        this.#link.connection.publish(subject, payload, { reply, headers: encoded(headers) });
      } catch (error) {
        this.#fail(token, error);
      }
    }
  }

  #hear(): void {
    if (this.#isHeard) return;
    this.#isHeard = true;
    this.#link.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) return this.#answer(message);
        // The subscription has ended. Whoever asks next makes another one.
        this.#isHeard = false;
        this.#failAll(error);
      },
    });
  }

  #answer(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) return;
    const { subject, resolve } = waiting;
    if (message.data.length === 0 && message.headers?.code === 503) {
      return this.#fail(token, new errors.NoRespondersError(subject));
    }
    this.#waiting.delete(token);
    clearTimeout(waiting.timer);
    resolve(message);
  }

  /** A server says what it does not let through, and answers nothing. */
  async #followErrors(): Promise<void> {
    for await (const status of this.#link.connection.status()) {
      if (status.type !== "error") continue;
      const { error } = status;
      if (!(error instanceof errors.PermissionViolationError)) continue;
      for (const [token, { subject }] of this.#waiting) {
        if (error.operation === "publish" && subject === error.subject) this.#fail(token, error);
      }
    }
  }

  #fail(token: string, error: unknown): void {
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) return;
    this.#waiting.delete(token);
    clearTimeout(waiting.timer);
    waiting.reject(error);
  }

  #failAll(error: unknown): void {
    for (const token of this.#waiting.keys()) this.#fail(token, error);
  }
}

interface Encoded {
  encode(): Uint8Array;
}

/** The client asks headers that are to be sent for their bytes, and for nothing else. */
function encoded(headers: Headers): MsgHdrs {
  let lines = "NATS/1.0\r\n";
  for (const [name, value] of Object.entries(headers)) {
    if (/[\r\n]/.test(value)) throw errors.InvalidArgumentError.format(name, "has to be one line");
    lines += `${name}: ${value}\r\n`;
  }
  const bytes = Buffer.from(`${lines}\r\n`);
  const head: Partial<MsgHdrs> & Encoded = { encode: () => bytes };
  return head as MsgHdrs;
}
