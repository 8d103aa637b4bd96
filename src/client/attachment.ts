import {
  Closing_Reason,
  type GetServerInfoResponse,
  type RegisterResponse,
  type Started,
} from "../../gen/peerline/v1/broker_service_pb.js";
import type { Reach } from "../../gen/peerline/v1/peer_pb.js";
import { AbortScope } from "../abort-scope.js";
import type { Clock } from "../clock.js";
import type { Channel } from "../rpc/client.js";
import { Code, hasCode } from "../rpc/error.js";
import { catchUpMs, inboxBytes, inboxMessages } from "./limits.js";
import { createBrokerClient, type BrokerClient } from "./broker-client.js";
import type { Mail } from "./mail.js";

/** A channel to a broker that has answered on it. */
export interface Connection extends AsyncDisposable {
  /** Where it answered, for people: `unix:/absolute/path` or `tls:host:port`. */
  readonly endpoint: string;
  readonly client: BrokerClient;
  readonly channel: Channel;
  /** What the broker said of itself when the connection was made. */
  readonly info: GetServerInfoResponse;
  /** Ends what runs on the channel. Idempotent. */
  close(): Promise<void>;
}

/** One session with the broker: its token, and the stream, where there is one, that feeds the mail. */
export class Attachment {
  /** Knows no token: for calls that need none. */
  readonly anonymous: BrokerClient;
  /** Acts as the session's peer. */
  readonly client: BrokerClient;
  readonly peerId: string;
  readonly #mail: Mail;
  readonly #clock: Clock;
  readonly #abandoned = new AbortController();
  /** Messages that waited when the stream began, came with it, and wait beyond its credit. */
  #waiting = Number.POSITIVE_INFINITY;
  #known = 0;
  #backlog = 0;

  constructor(options: {
    connection: Connection;
    registration: RegisterResponse;
    mail: Mail;
    clock: Clock;
  }) {
    const { connection, registration, mail, clock } = options;
    const headers = () => ({ authorization: `Bearer ${registration.sessionToken}` });
    this.anonymous = connection.client;
    this.client = createBrokerClient(connection.channel, headers);
    this.peerId = registration.peer?.peerId ?? "";
    this.#mail = mail;
    this.#clock = clock;
  }

  /** Aborts when the session was given up from this side. */
  get abandoned(): AbortSignal {
    return this.#abandoned.signal;
  }

  /** All that waited when the stream began has come with it, or is told to wait beyond its credit. */
  get hasCaughtUp(): boolean {
    return this.#known + this.#backlog >= this.#waiting;
  }

  /** Gives the session up, and ends its stream, from this side. */
  abandon(): void {
    this.#abandoned.abort();
  }

  /**
   * Subscribes, and feeds the mail until the stream ends; resolves to why it did, UNSPECIFIED when it
   * was lost. `onLive` is called once what waited has arrived, or should have.
   */
  async follow(onLive: () => void, reach: Reach, signal: AbortSignal): Promise<Closing_Reason> {
    using untilEnd = new AbortScope([signal, this.#abandoned.signal]);
    const request = { maxMessages: inboxMessages, maxBytes: BigInt(inboxBytes), reach };
    let catchUp: Disposable | undefined;
    try {
      for await (const { event } of this.client.subscribe(request, { signal: untilEnd.signal })) {
        // What came meanwhile is for the peer that was left.
        if (this.#abandoned.signal.aborted) break;
        switch (event.case) {
          case "started":
            this.#mail.open(
              async (acks, signal) => (await this.client.ackMessages({ acks }, { signal })).results,
            );
            this.#waiting = openMessages(event.value);
            catchUp = this.#clock.after(catchUpMs, onLive);
            break;
          case "delivery":
            this.#mail.deliver(event.value);
            this.#known++;
            break;
          case "backlog":
            this.#mail.tellBacklog(event.value);
            this.#backlog = Number(event.value.unread);
            break;
          case "senderRenamed":
            if (event.value.sender !== undefined) this.#mail.renameSender(event.value.sender);
            break;
          case "closing":
            return event.value.reason;
        }
        if (this.hasCaughtUp) onLive();
      }
      return Closing_Reason.UNSPECIFIED;
    } catch (error) {
      if (hasCode(error, Code.Aborted)) return Closing_Reason.SUPERSEDED;
      throw error;
    } finally {
      catchUp?.[Symbol.dispose]();
      this.#mail.close();
    }
  }
}

/** A broker of before does not count what was presented and never confirmed. */
function openMessages({ openMessages: open, peer }: Started): number {
  return Math.max(Number(open), Number(peer?.waitingMessages ?? 0));
}
