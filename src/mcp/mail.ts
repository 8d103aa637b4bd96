import { Outcome, type Backlog, type Delivery } from "../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy, type PeerRef } from "../../gen/peerline/v1/message_pb.js";
import type { Mailbox } from "../client/attachment.js";
import { holdMessage } from "../client/held-message.js";
import { Reports, type SendReports } from "../client/reports.js";
import type { Clock } from "../clock.js";
import { Inbox, type Unread } from "./inbox.js";
import { Presentations } from "./presentations.js";

/** The agent's mail at this adapter: what waits, what was shown, and what the broker is told of it. */
export class Mail implements Mailbox {
  readonly inbox: Inbox;
  readonly presentations: Presentations;
  readonly #reports: Reports;
  #peerId = "";

  constructor(clock: Clock) {
    this.#reports = new Reports({
      onTaken: (held, outcome) => {
        if (outcome === Outcome.CONFIRMED) this.presentations.settle(held);
      },
      onRefused: (held, outcome) => {
        // By the broker's clock, which counts, its time is not over: it may be shown.
        if (outcome === Outcome.EXPIRED) {
          this.inbox.putBack([{ ...held, expiresAtMs: Number.POSITIVE_INFINITY }]);
        }
      },
    });
    this.inbox = new Inbox({
      clock,
      onExpired: (held) => this.#reports.add(held, Outcome.EXPIRED, ConfirmedBy.UNSPECIFIED),
    });
    this.presentations = new Presentations({
      clock,
      inbox: this.inbox,
      report: (held, outcome, confirmedBy) => this.#reports.add(held, outcome, confirmedBy),
    });
  }

  /** What waits for the agent, besides what is shown whole just now. */
  get unread(): Unread {
    return this.inbox.countUnread(this.presentations.unfinished);
  }

  open(send: SendReports): void {
    this.inbox.tellBacklog({ count: 0, senders: [] });
    this.#reports.open(send);
  }

  close(): void {
    this.#reports.close();
  }

  belongTo(peerId: string): void {
    if (this.#peerId === peerId) return;
    this.#peerId = peerId;
    this.inbox.clear();
    this.presentations.clear();
  }

  async flush(): Promise<void> {
    await this.#reports.flush();
  }

  deliver(delivery: Delivery): void {
    const held = holdMessage(delivery);
    if (held !== undefined && !this.presentations.redeliver(held)) this.inbox.deliver(held);
  }

  /** A peer has another name than when its messages came. */
  renameSender({ peerId, name }: PeerRef): void {
    for (const held of [...this.inbox.list(), ...this.presentations.unfinished]) {
      if (held.message.from?.peerId === peerId) held.senderName = name;
    }
  }

  tellBacklog(backlog: Backlog): void {
    this.inbox.tellBacklog({ count: Number(backlog.unread), senders: backlog.senders });
  }
}
