import type { JsonObject } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  Outcome,
  type Delivery,
  type SendMessageResponse,
} from "../../gen/peerline/v1/broker_service_pb.js";
import {
  ConfirmedBy,
  type Message,
  type PeerRef,
  type Urgency,
} from "../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import { AbortScope } from "../abort-scope.js";
import type { HeldMessage } from "./inbox.js";
import { maxQuietLooks, quietMs } from "./limits.js";
import type { Line } from "./line.js";
import { LineError } from "./line-error.js";
import type { ReadOptions, SendOptions } from "./line-options.js";

/** A message to this client, as the body of a loop over `Line.messages` gets it. */
export class IncomingMessage {
  /** Confirms it before the body is left, so that `break`, `return` or a throw does not return it. */
  readonly confirm: () => void;
  readonly #held: HeldMessage;
  readonly #line: Line;

  constructor(held: HeldMessage, line: Line, confirm: () => void) {
    this.confirm = confirm;
    this.#held = held;
    this.#line = line;
  }

  /** A UUID in lower case, chosen by the sender: unique together with `from.peerId`. */
  get id(): string {
    return this.#message.messageId;
  }

  /** The sender, by the name that it has now. */
  get from(): Pick<PeerRef, "peerId" | "name"> {
    return { peerId: this.#message.from?.peerId ?? "", name: this.#held.senderName };
  }

  /** 1 to 16,384 bytes of UTF-8. Written by a peer: data, and no order of anyone's. */
  get text(): string {
    return this.#message.text;
  }

  /** The same in a form for programs; undefined where the sender gave none. */
  get data(): JsonObject | undefined {
    return this.#message.data;
  }

  /** The exchange that it belongs to; never empty. */
  get threadId(): string {
    return this.#message.threadId;
  }

  /** The id of the message that it answers; undefined where it answers none. */
  get inReplyTo(): string | undefined {
    return this.#message.inReplyTo || undefined;
  }

  get urgency(): Urgency {
    return this.#message.urgency;
  }

  /** When the broker accepted it, by the broker's clock. */
  get sentAt(): Date {
    const { acceptTime } = this.#message;
    return acceptTime === undefined ? new Date(0) : timestampDate(acceptTime);
  }

  /** It may have been shown before: to this process, or to one that ended without a word of it. */
  get redelivered(): boolean {
    return this.#held.redelivered;
  }

  /** A notice of the broker, for example that a message of yours has expired. It cannot be answered. */
  get isNotice(): boolean {
    return /^[0-]*$/.test(this.from.peerId);
  }

  /** All that the contract says of it. */
  get delivery(): Delivery {
    return this.#held.delivery;
  }

  /**
   * Answers the sender, in the same thread; as `Line.send`. The message then counts as answered, whatever
   * becomes of the body. A notice is not answered: then nothing is sent, and the answer is undefined.
   */
  async reply(text: string, options: SendOptions = {}): Promise<SendMessageResponse | undefined> {
    if (this.isNotice) return undefined;
    return this.#line.send(this.from.peerId, text, { ...options, inReplyTo: this.id });
  }

  get #message(): Message {
    return this.#held.message;
  }
}

/** Shows what comes, one message after the other, and reports what became of each. */
export async function* readMessages(
  line: Line,
  options: ReadOptions,
): AsyncGenerator<IncomingMessage, void> {
  const { mail } = line;
  for (;;) {
    const held = await oldestMessage(line, options, (found) => {
      mail.take(found);
      mail.tell(found, { outcome: Outcome.PRESENTED });
    });
    if (held === undefined) return;
    let isConfirmed = false;
    const confirm = (): void => {
      if (isConfirmed) return;
      isConfirmed = true;
      mail.tell(held, { outcome: Outcome.CONFIRMED, confirmedBy: ConfirmedBy.EXPLICIT_ACK });
    };
    try {
      yield new IncomingMessage(held, line, confirm);
      confirm();
    } finally {
      // `break`, `return` and a throw in the body look the same from here.
      if (!isConfirmed) mail.tell(held, { outcome: Outcome.RETURNED, reason: notFinished });
    }
  }
}

/**
 * The oldest message of the inbox, once there is one. It stays there, unless `onFound` takes it: that is
 * called before another reader can see the message. Undefined when the line was closed, the signal aborts,
 * or, unless it waits, when nothing waits.
 */
export async function oldestMessage(
  line: Line,
  { waits, signal }: ReadOptions,
  onFound: (held: HeldMessage) => void = () => {},
): Promise<HeldMessage | undefined> {
  const { inbox } = line.mail;
  line.receive(waits ? Reach.WAKES : Reach.NEXT_TURN);
  using waiting = new AbortScope([...(signal ? [signal] : []), line.ended]);
  try {
    for (let looks = 0; ; looks++) {
      const [held] = inbox.list();
      if (held !== undefined) {
        onFound(held);
        return held;
      }
      if (waits) {
        using change = new AbortScope([waiting.signal]);
        await Promise.race([inbox.nextChange(change.signal), line.nextChange(change.signal)]);
        continue;
      }
      const hasCaughtUp = await line.hasCaughtUp(waiting.signal);
      const count = await countWaiting(line, waiting.signal);
      if (inbox.list().length > 0) continue;
      const isLastLook = looks > maxQuietLooks;
      // What is still to come may have ended meanwhile: it is not waited for without end.
      if (count === 0 && (hasCaughtUp || isLastLook)) return undefined;
      if (isLastLook) {
        throw new LineError("WITHHELD", `${count} messages that wait did not come.`);
      }
      using quiet = new AbortScope([waiting.signal], quietMs);
      await inbox.nextChange(quiet.signal).catch(() => {});
    }
  } catch (error) {
    if (signal?.aborted) return undefined;
    if (!line.ended.aborted) throw error;
    const reason: unknown = line.ended.reason;
    if (reason instanceof LineError && reason.code === "CLOSED") return undefined;
    throw reason;
  }
}

/** How many messages wait for the client, besides what it has reported. Only the broker knows: some are on their way. */
async function countWaiting(line: Line, signal: AbortSignal): Promise<number> {
  await line.mail.flush();
  // Changes nothing, and answers with the peer as it stands.
  const { peer } = await line.call((client, options) => client.updatePeer({}, options), signal);
  return Number(peer?.waitingMessages ?? 0);
}

const notFinished = "the client did not finish with it";
