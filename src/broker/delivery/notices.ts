import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { v7 as uuidv7 } from "uuid";
import {
  PeerRefSchema,
  ReceiptState,
  Urgency,
  type PeerRef,
  type Receipt,
} from "../../../gen/peerline/v1/message_pb.js";
import { shortId } from "../../contract/ids.js";
import { brokerName } from "../../contract/names.js";
import type { Core } from "../core.js";
import { purgedReason } from "../calls/moderation.js";
import { refTo, type PeerRecord } from "../peers/directory.js";
import { defaultExpiresInMs, maxEndsTold, noticeDelayMs } from "../limits.js";
import type { Draft } from "../store/queues.js";

/** Who sends notices. No peer can have this id or name. */
export const noticeSender: PeerRef = create(PeerRefSchema, {
  peerId: "00000000-0000-0000-0000-000000000000",
  name: brokerName,
});

interface End {
  readonly messageId: string;
  readonly receipt: Receipt;
}

type Parts = Pick<Core, "store" | "directory" | "receipts" | "clock" | "log">;

/**
 * Tells senders, in their own queues, which of their messages expired or were dead-lettered. Messages
 * that end within a moment make one notice. There is no notice about a notice. The broker that ended a
 * message tells of it. If it is killed within that moment nobody does; the receipts still tell.
 */
export class Notices {
  readonly #core: Parts;
  readonly #ends = new Map<string, End[]>();
  readonly #stopListening: () => void;
  #timer: Disposable | undefined;
  #telling: Promise<void> = Promise.resolve();

  constructor(core: Parts) {
    this.#core = core;
    this.#stopListening = core.receipts.onEnd(({ from, ...end }) => this.#note(from.peerId, end));
  }

  /** Tells what is still untold, and nothing more. */
  async close(): Promise<void> {
    this.#stopListening();
    this.#timer?.[Symbol.dispose]();
    this.#tellAll();
    await this.#telling;
  }

  #note(sender: string, end: End): void {
    if (sender === noticeSender.peerId) return;
    const known = this.#ends.get(sender);
    if (known === undefined) this.#ends.set(sender, [end]);
    else known.push(end);
    this.#timer ??= this.#core.clock.after(noticeDelayMs, () => this.#tellAll());
  }

  #tellAll(): void {
    this.#timer = undefined;
    const ends = [...this.#ends];
    this.#ends.clear();
    this.#telling = this.#telling.then(async () => {
      for (const [sender, ended] of ends) await this.#tell(sender, ended);
    });
  }

  async #tell(sender: string, ends: readonly End[]): Promise<void> {
    const peer = this.#core.directory.get(sender);
    if (peer === undefined) return;
    try {
      const draft = draftNotice(peer, ends);
      const [result] = await this.#core.store.queues.enqueue(draft, draft.to);
      if (result?.ok !== true) throw result?.error ?? new Error("the store did not answer");
    } catch (error) {
      this.#core.log.warn(
        { peer: peer.stored.name, err: error },
        "could not tell a sender of ended messages",
      );
    }
  }
}

function draftNotice(to: PeerRecord, ends: readonly End[]): Draft {
  const undelivered = ends.filter(({ receipt }) => !wasShown(receipt));
  const unconfirmed = ends.filter(({ receipt }) => wasShown(receipt));
  const text = [
    ...section(undelivered, "not delivered"),
    ...section(unconfirmed, "shown to the recipient and never confirmed"),
  ].join("\n");
  const messageId = uuidv7();
  return {
    messageId,
    from: noticeSender,
    to: [refTo(to)],
    text,
    data: {
      undelivered: undelivered.slice(0, maxEndsTold).map(endData),
      ...(unconfirmed.length === 0
        ? {}
        : { unconfirmed: unconfirmed.slice(0, maxEndsTold).map(endData) }),
    },
    threadId: messageId,
    inReplyTo: "",
    urgency: Urgency.NORMAL,
    expiresInMs: defaultExpiresInMs,
    fingerprint: createHash("sha256").update(text).digest("hex"),
  };
}

/** A recipient may have read what it was shown, though nobody knows. */
function wasShown({ presentedTime }: Receipt): boolean {
  return presentedTime !== undefined;
}

function section(ends: readonly End[], what: string): string[] {
  if (ends.length === 0) return [];
  const more = ends.length - maxEndsTold;
  return [
    ends.length === 1
      ? `A message of yours was ${what}:`
      : `${ends.length} messages of yours were ${what}:`,
    ...ends
      .slice(0, maxEndsTold)
      .map(
        ({ messageId, receipt }) =>
          `- ${shortId(messageId)} to ${receipt.recipient?.name}: ${why(receipt)}`,
      ),
    ...(more > 0 ? [`- and ${more} more`] : []),
  ];
}

function endData({ messageId, receipt }: End): { message_id: string; to: string; state: string } {
  return {
    message_id: messageId,
    to: receipt.recipient?.name ?? "",
    state: ReceiptState[receipt.state].toLowerCase(),
  };
}

/** Without the recipient's own reason: a peer's words are not to be read as the broker's. */
function why(receipt: Receipt): string {
  if (receipt.reason === purgedReason) return purgedReason;
  return receipt.state === ReceiptState.EXPIRED
    ? "it expired unread"
    : "it was given up (message_status tells the recipient's reason)";
}
