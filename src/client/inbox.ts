import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Delivery } from "../../gen/peerline/v1/broker_service_pb.js";
import type { Message } from "../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../clock.js";
import { isHostName } from "../contract/names.js";
import { Pulse } from "../pulse.js";
import { inboxMessages, maxExpiryWaitMs, maxUnreadSenders } from "./limits.js";

/** A message that was delivered to this client and whose end the broker does not know yet. */
export interface HeldMessage {
  /** Identifies the message among all: its sender and the sender's id for it. */
  readonly key: string;
  readonly message: Message;
  /** As it first came. */
  readonly delivery: Delivery;
  /** What the sender is called now, as far as the broker has told; it may differ from `message.from`. */
  senderName: string;
  /** The host of the sender, where that is another than this client's and has a plain name; empty otherwise. */
  readonly senderHost: string;
  /** Milliseconds since the Unix epoch, by the broker's clock. */
  expiresAtMs: number;
  /** Names its newest delivery. */
  deliveryId: string;
  /** It may have been shown before. */
  redelivered: boolean;
  /** Of a message that is shown in parts: how many were. */
  partsShown: number;
}

/** Holds what a delivery brings; undefined for one without a message, which no broker sends. */
export function holdMessage(delivery: Delivery): HeldMessage | undefined {
  const { message, deliveryId, redelivered, sender, senderHost } = delivery;
  if (message === undefined) return undefined;
  return {
    key: `${message.from?.peerId}/${message.messageId}`,
    message,
    delivery,
    senderName: sender?.name ?? message.from?.name ?? "",
    senderHost: isHostName(senderHost) ? senderHost : "",
    expiresAtMs: message.expireTime ? timestampMs(message.expireTime) : Number.POSITIVE_INFINITY,
    deliveryId,
    redelivered,
    partsShown: 0,
  };
}

/** What waits for the client, here and at the broker. */
export interface Unread {
  readonly count: number;
  /** Names, oldest message first. */
  readonly senders: readonly string[];
  /** By name, the hosts of those that are on another than this client; absent where none is. */
  readonly hosts?: ReadonlyMap<string, string> | undefined;
}

const nothing: Unread = { count: 0, senders: [] };

/**
 * Messages that were delivered and not yet shown, oldest first. The broker bounds them by the credit
 * of the subscription. One whose time runs out here leaves, and is told to `onExpired`.
 */
export class Inbox {
  readonly #clock: Clock;
  readonly #onExpired: (held: HeldMessage) => void;
  readonly #changes = new Pulse();
  #messages: HeldMessage[] = [];
  #backlog: Unread = nothing;
  #expiry: Disposable | undefined;

  constructor(options: { clock: Clock; onExpired: (held: HeldMessage) => void }) {
    this.#clock = options.clock;
    this.#onExpired = options.onExpired;
  }

  /** Takes in a delivery. Of a message that is here already, only the new delivery's id is kept. */
  deliver(held: HeldMessage): void {
    const known = this.#messages.find(({ key }) => key === held.key);
    if (known !== undefined) {
      known.deliveryId = held.deliveryId;
      known.senderName = held.senderName;
      return;
    }
    this.#messages.push(held);
    this.#expire();
    this.#changes.beat();
  }

  /** A delivery comes. What waits at the broker comes first, so it is one less, until the broker tells it anew. */
  arrives(): void {
    const { count, senders, hosts } = this.#backlog;
    if (count === 1) this.#backlog = nothing;
    else if (count > 1) this.#backlog = { count: count - 1, senders, hosts };
  }

  /** Takes messages out, to be shown. */
  take(taken: readonly HeldMessage[]): void {
    this.#messages = this.#messages.filter((held) => !taken.includes(held));
    this.#expire();
  }

  /** Puts messages that were taken back to the front, in the order given. */
  putBack(returned: readonly HeldMessage[]): void {
    if (returned.length === 0) return;
    this.#messages.unshift(...returned);
    this.#expire();
    this.#changes.beat();
  }

  /** What waits at the broker, beyond the credit. */
  tellBacklog(backlog: Unread): void {
    this.#backlog = backlog;
    this.#changes.beat();
  }

  /** Whether the broker has told of more, which comes as soon as there is room. */
  get isFollowed(): boolean {
    return this.#backlog.count > 0 && this.#messages.length < inboxMessages;
  }

  /** The messages here, oldest first. */
  list(): readonly HeldMessage[] {
    this.#expire();
    return this.#messages;
  }

  /** @param unfinished messages that were taken out, and come back with their next part. */
  countUnread(unfinished: readonly HeldMessage[]): Unread {
    const here = [...unfinished, ...this.list()];
    const { count, senders, hosts = [] } = this.#backlog;
    const names = new Set([...here.map(({ senderName }) => senderName), ...senders]);
    const away = here.filter(({ senderHost }) => senderHost !== "");
    const places = away.map(({ senderName, senderHost }) => [senderName, senderHost] as const);
    const known = new Map([...hosts, ...places]);
    return {
      count: here.length + count,
      senders: [...names].slice(0, maxUnreadSenders),
      hosts: known.size === 0 ? undefined : known,
    };
  }

  /** Resolves when mail comes, comes back or expires; rejects when the signal aborts first. */
  async nextChange(signal: AbortSignal): Promise<void> {
    await this.#changes.next(signal);
  }

  /** Forgets everything: the mail is another peer's. */
  clear(): void {
    this.#messages = [];
    this.#backlog = nothing;
    this.#expire();
    this.#changes.beat();
  }

  /** Lets go what has expired, and sets the one timer for what expires next. */
  #expire(): void {
    this.#expiry?.[Symbol.dispose]();
    this.#expiry = undefined;
    const now = this.#clock.now();
    const expired = this.#messages.filter((held) => held.expiresAtMs <= now);
    if (expired.length > 0) {
      this.#messages = this.#messages.filter((held) => held.expiresAtMs > now);
      for (const held of expired) this.#onExpired(held);
      this.#changes.beat();
    }
    const nextMs = Math.min(...this.#messages.map((held) => held.expiresAtMs));
    if (nextMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.min(nextMs - now, maxExpiryWaitMs);
    this.#expiry = this.#clock.after(waitMs, () => this.#expire());
  }
}
