import type { MessageRecord } from "../../gen/peerline/v1/message_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { Store } from "../../src/broker/store.js";
import { ample, bob } from "../contract/store/drafts.js";
import type { FileEvent } from "./recording.js";
import { textOf } from "./text-of.js";

/** What a store has promised so far. */
export class Promises {
  readonly #sent = new Set<string>();
  readonly #confirmed = new Set<string>();

  apply(event: FileEvent): void {
    if (event.kind !== "acknowledge") return;
    (event.what === "sent" ? this.#sent : this.#confirmed).add(event.messageId);
  }

  /** Each promise that the store does not keep, in words. */
  async brokenBy(store: Store): Promise<string[]> {
    const records = await listAll(store);
    const states = new Map(records.map(toState));
    const offered = await store.openQueue(bob.peerId, () => {}).next(ample);
    const lost = [...this.#sent].filter((id) => !states.has(id));
    const forgotten = [...this.#confirmed].filter(
      (id) => states.has(id) && states.get(id) !== ReceiptState.CONFIRMED,
    );
    const again = offered.filter(({ message }) => this.#confirmed.has(message.messageId));
    const altered = records.filter(({ message }) => message?.text !== textOf(message?.messageId ?? ""));
    return [
      ...lost.map((id) => `message ${id} is lost`),
      ...forgotten.map((id) => `the confirmation of ${id} is lost`),
      ...again.map(({ message }) => `message ${message.messageId} came back`),
      ...altered.map(({ message }) => `message ${message?.messageId} has another text`),
    ];
  }
}

async function listAll(store: Store): Promise<MessageRecord[]> {
  const records: MessageRecord[] = [];
  let cursor = "";
  do {
    const page = await store.listMessages({
      viewer: "",
      peer: "",
      threadId: "",
      state: ReceiptState.UNSPECIFIED,
      limit: 1000,
      maxBytes: ample.maxBytes,
      cursor,
    });
    records.push(...page.records);
    cursor = page.next;
  } while (cursor !== "");
  return records;
}

function toState({ message, receipts }: MessageRecord): [string, ReceiptState] {
  return [message?.messageId ?? "", receipts[0]?.state ?? ReceiptState.UNSPECIFIED];
}
