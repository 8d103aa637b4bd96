import { DeliverPolicy, type JsMsg } from "@nats-io/jetstream";
import { BackOff } from "../../back-off.js";
import { sleep } from "../../clock.js";
import type { Link } from "./connect.js";
import {
  consumerExpiresMs,
  consumerHeartbeatMs,
  firstFollowWaitMs,
  maxFollowWaitMs,
  replayTimeoutMs,
} from "./limits.js";

export type { JsMsg } from "@nats-io/jetstream";

/** Which messages of a stream. */
interface Following {
  readonly link: Link;
  readonly stream: string;
  /** The sequence of the last one that is known: what comes after it is told. */
  readonly after: number;
  /** Without the messages' bodies. */
  readonly headersOnly?: boolean;
}

/**
 * Tells each message that the stream has now after `after`, in its order. Rejects where the engine does not
 * answer for long.
 */
export async function replay(
  following: Following,
  tell: (message: JsMsg) => void,
): Promise<{ lastSeq: number }> {
  const { link, stream } = following;
  const { state } = await link.manager.streams.info(stream);
  const lastSeq = Math.max(state.last_seq, following.after);
  if (state.messages === 0 || state.last_seq <= following.after) return { lastSeq };
  const messages = await consume(following);
  const timer = setTimeout(() => void messages.close(), replayTimeoutMs);
  try {
    for await (const message of messages) {
      timer.refresh();
      if (message.seq <= lastSeq) tell(message);
      if (message.seq >= lastSeq || message.info.pending === 0) return { lastSeq };
    }
  } finally {
    clearTimeout(timer);
    await messages.close();
  }
  throw new Error(`the stream ${stream} ended while it was read`);
}

/** Tells each message that comes, each once and in order, through elections and losses, until it is closed. */
export class Follower implements AsyncDisposable {
  readonly #following: Following;
  readonly #tell: (message: JsMsg) => void;
  readonly #onTrouble: (error: unknown) => void;
  readonly #closing = new AbortController();
  readonly #done: Promise<void>;
  #messages: { close(): Promise<unknown> } | undefined;
  #lastSeq: number;

  constructor(
    following: Following,
    tell: (message: JsMsg) => void,
    onTrouble: (error: unknown) => void,
  ) {
    this.#following = following;
    this.#lastSeq = following.after;
    this.#tell = tell;
    this.#onTrouble = onTrouble;
    this.#done = this.#run();
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("closed"));
    await this.#messages?.close();
    await this.#done;
  }

  async #run(): Promise<void> {
    const waits = new BackOff({ firstMs: firstFollowWaitMs, maxMs: maxFollowWaitMs });
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const messages = await consume({ ...this.#following, after: this.#lastSeq });
        this.#messages = messages;
        if (signal.aborted) void messages.close();
        for await (const message of messages) {
          waits.reset();
          if (message.seq <= this.#lastSeq) continue;
          this.#tell(message);
          this.#lastSeq = message.seq;
        }
      } catch (error) {
        if (!signal.aborted) this.#onTrouble(error);
      }
      await sleep(waits.nextMs(), signal).catch(() => {});
    }
  }
}

/** An ordered consumer: it starts anew by itself where it misses something. */
async function consume({ link, stream, after, headersOnly = false }: Following) {
  const consumer = await link.manager.jetstream().consumers.get(stream, {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
    headers_only: headersOnly,
  });
  return consumer.consume({
    expires: consumerExpiresMs,
    idle_heartbeat: consumerHeartbeatMs,
    max_messages: 1000,
  });
}
