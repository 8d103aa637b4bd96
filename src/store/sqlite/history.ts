import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../../broker/store.js";
import type { MessageCheck } from "./damage/message-check.js";
import type { ListQuery, Operations, RecordRow } from "./operations.js";
import { receiptOf, soundDelivery } from "./receipts.js";
import type { Statements } from "./statements.js";

/**
 * Messages as they were, newest first. A damaged message is left out of a page of history; asked for
 * by its id it is DATA_LOSS.
 */
export function historyOperations(
  statements: Statements,
  check: MessageCheck,
): Pick<Operations, "findMessages" | "listMessages"> {
  return {
    findMessages(messageId, senders, viewer, limit) {
      const wanted = JSON.stringify(senders);
      return statements.findMessages.all(messageId, wanted, viewer, limit).map(({ id }) => {
        const record = read(id, viewer);
        if (record !== undefined) return record;
        throw new StoreError("DATA_LOSS", `The stored message ${messageId} is damaged.`);
      });
    },

    listMessages(query) {
      const matches = select(query);
      const records: RecordRow[] = [];
      let last: number | undefined;
      let bytes = 0;
      for (const { id } of matches.slice(0, query.limit)) {
        const record = read(id, query.viewer);
        bytes += record?.body.byteLength ?? 0;
        if (records.length > 0 && bytes > query.maxBytes) break;
        if (record !== undefined) records.push(record);
        last = id;
      }
      return { records, next: last === matches.at(-1)?.id ? undefined : last };
    },
  };

  /** One more than the page holds, to tell whether there is another page. */
  function select(query: ListQuery): { id: number }[] {
    const { viewer, peer, threadId, state, before } = query;
    const limit = query.limit + 1;
    if (state >= ReceiptState.EXPIRED) {
      return statements.listEnded.all(state, viewer, peer, threadId, before, limit);
    }
    if (threadId !== "") {
      return statements.listOfThread.all(threadId, viewer, peer, before, state, limit);
    }
    if (viewer !== "") return statements.listOfPeer.all(viewer, peer, before, state, limit, viewer);
    if (peer !== "") return statements.listOfPeer.all(peer, "", before, state, limit, "");
    return statements.listAll.all(before, state, limit);
  }

  /** Whoever may see it is told by itself: the table that leads to it might be damaged. */
  function read(id: number, viewer: string): RecordRow | undefined {
    const row = statements.getMessage.one(id);
    const body = row && check.intactBody(row);
    if (row === undefined || body === undefined) return undefined;
    const receipts = statements.receiptsOf
      .all(id)
      .map((receipt) => receiptOf(soundDelivery(check, receipt, () => body)));
    const isVisible =
      viewer === "" ||
      viewer === row.fromPeerId ||
      receipts.some(({ peerId }) => peerId === viewer);
    return isVisible ? { body, receipts } : undefined;
  }
}
