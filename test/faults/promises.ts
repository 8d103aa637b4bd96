import { fromBinary } from "@bufbuild/protobuf";
import type Database from "libsql";
import { MessageSchema, ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { Quarantine } from "../../src/store/sqlite/damage/quarantine.js";
import { historyOperations } from "../../src/store/sqlite/history.js";
import type { RecordRow } from "../../src/store/sqlite/operations.js";
import { Statements } from "../../src/store/sqlite/statements.js";
import { ample } from "../contract/store/drafts.js";
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

  /** Each promise that the database of a store does not keep, in words. */
  brokenBy(database: Database.Database): string[] {
    const stored = readAll(database);
    const states = new Map(stored.map(({ messageId, state }) => [messageId, state]));
    const lost = [...this.#sent].filter((id) => !states.has(id));
    const forgotten = [...this.#confirmed].filter(
      (id) => states.has(id) && states.get(id) !== ReceiptState.CONFIRMED,
    );
    const altered = stored.filter(({ messageId, text }) => text !== textOf(messageId));
    return [
      ...lost.map((id) => `message ${id} is lost`),
      ...forgotten.map((id) => `the confirmation of ${id} is lost`),
      ...altered.map(({ messageId }) => `message ${messageId} has another text`),
    ];
  }
}

/** Every intact message, as the store itself reads them. */
function readAll(database: Database.Database) {
  const { records } = historyOperations(new Statements(database), new Quarantine()).listMessages({
    viewer: "",
    peer: "",
    threadId: "",
    state: ReceiptState.UNSPECIFIED,
    limit: ample.maxMessages,
    maxBytes: ample.maxBytes,
    before: Number.MAX_SAFE_INTEGER,
  });
  return records.map(({ body, receipts }: RecordRow) => {
    const { messageId, text } = fromBinary(MessageSchema, body);
    return { messageId, text, state: receipts[0]?.state };
  });
}
