import { Outcome, type Backlog, type Delivery } from "../../gen/peerline/v1/broker_service_pb.js";
import type { PeerRef } from "../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../clock.js";
import { isHostName } from "../contract/names.js";
import { holdMessage, Inbox, type HeldMessage, type Unread } from "./inbox.js";
import { maxShownMessages } from "./limits.js";
import { Reports, type Report, type SendReports } from "./reports.js";

interface Shown {
  readonly held: HeldMessage;
  /** All of it is shown, and not a part. */
  readonly isWhole: boolean;
  /** What was reported of it last; undefined while it is on its way to whoever it is shown to. */
  report: Report | undefined;
}

/**
 * A client's mail over all its sessions: what waits in the inbox, what was taken from it to be shown, and
 * what the broker is told of either.
 *
 * A message that was shown stays known until the broker knows that it was confirmed. Where it is delivered
 * again meanwhile, it is reported as it stands, under its newest delivery id, and not shown again.
 */
export class Mail {
  readonly inbox: Inbox;
  readonly #reports: Reports;
  /** What was taken from the inbox, by key, oldest first. */
  readonly #shown = new Map<string, Shown>();
  #peerId = "";

  constructor(clock: Clock) {
    this.#reports = new Reports({
      onTaken: (held, { outcome }) => {
        if (outcome === Outcome.CONFIRMED) this.#settle(held);
      },
      onRefused: (held, { outcome }) => {
        // By the broker's clock, which counts, its time is not over: it may be shown.
        if (outcome === Outcome.EXPIRED) {
          this.inbox.putBack([{ ...held, expiresAtMs: Number.POSITIVE_INFINITY }]);
        }
      },
    });
    this.inbox = new Inbox({
      clock,
      onExpired: (held) => this.#reports.add(held, { outcome: Outcome.EXPIRED }),
    });
  }

  /** What waits for the client, besides what is shown whole just now. */
  get unread(): Unread {
    const parts = [...this.#shown.values()].filter(
      ({ isWhole, report }) => !isWhole && report === undefined,
    );
    return this.inbox.countUnread(parts.map(({ held }) => held));
  }

  /** Takes a message out of the inbox, to show the whole of it or a part. */
  take(held: HeldMessage, isWhole = true): void {
    this.inbox.take([held]);
    this.#shown.set(held.key, { held, isWhole, report: undefined });
    this.#forgetOldest();
  }

  /** Puts back to the front of the inbox, in the order given, those of these messages that were taken. */
  putBack(messages: readonly HeldMessage[]): void {
    const taken = messages.filter((held) => this.#shown.get(held.key)?.held === held);
    for (const { key } of taken) this.#shown.delete(key);
    this.inbox.putBack(taken);
  }

  /** Tells the broker how a message that was taken stands now. One that is returned is shown again when it comes. */
  tell(held: HeldMessage, report: Report): void {
    const shown = this.#shown.get(held.key);
    if (shown?.held !== held) return;
    shown.report = report;
    this.#reports.add(held, report);
    if (report.outcome === Outcome.RETURNED) this.#shown.delete(held.key);
  }

  /** A stream begins: reports go this way, and the broker tells its backlog anew. */
  open(send: SendReports): void {
    this.inbox.tellBacklog({ count: 0, senders: [] });
    this.#reports.open(send);
  }

  /** The stream has ended, and every delivery id with it. What is held stays. */
  close(): void {
    this.#reports.close();
  }

  /** What is held for another peer than this one is forgotten: that peer's next session gets it. */
  belongTo(peerId: string): void {
    if (this.#peerId === peerId) return;
    this.#peerId = peerId;
    this.inbox.clear();
    this.#shown.clear();
  }

  /** Resolves when the broker has heard all there is to report, or cannot be told. */
  async flush(): Promise<void> {
    await this.#reports.flush();
  }

  deliver(delivery: Delivery): void {
    const held = holdMessage(delivery);
    if (held === undefined) return;
    this.inbox.arrives();
    const shown = this.#shown.get(held.key);
    if (shown === undefined) return this.inbox.deliver(held);
    shown.held.deliveryId = held.deliveryId;
    if (shown.report !== undefined) this.#reports.add(shown.held, shown.report);
  }

  /** A peer has another name than when its messages came. */
  renameSender({ peerId, name }: PeerRef): void {
    const taken = [...this.#shown.values()].map(({ held }) => held);
    for (const held of [...this.inbox.list(), ...taken]) {
      if (held.message.from?.peerId === peerId) held.senderName = name;
    }
  }

  tellBacklog({ unread, senders, senderHosts }: Backlog): void {
    const hosts = senders.map((name, index) => [name, senderHosts[index] ?? ""] as const);
    this.inbox.tellBacklog({
      count: Number(unread),
      senders,
      hosts: new Map(hosts.filter(([, host]) => isHostName(host))),
    });
  }

  #settle(held: HeldMessage): void {
    const { report } = this.#shown.get(held.key) ?? {};
    if (report?.outcome === Outcome.CONFIRMED) this.#shown.delete(held.key);
  }

  /** What nobody ever confirms stays unconfirmed, for good. */
  #forgetOldest(): void {
    for (const [key, { report }] of this.#shown) {
      if (this.#shown.size <= maxShownMessages) break;
      if (report !== undefined) this.#shown.delete(key);
    }
  }
}
