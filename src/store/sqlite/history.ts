import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../../broker/store/store.js";
import type { Quarantine } from "./damage/quarantine.js";
import type { ListQuery, Operations, RecordRow } from "./operations.js";
import { deliveriesOf, receiptOf, soundDelivery } from "./receipts.js";
import {
  messageSelect,
  readInteger,
  type ReadMessage,
  type Statement,
  type Statements,
} from "./statements.js";

/** Stored messages, newest first. A page leaves out damaged ones. A damaged one found by its id is DATA_LOSS. */
export function historyOperations(
  statements: Statements,
  quarantine: Quarantine,
): Pick<Operations, "findMessages" | "listMessages"> {
  const messageAt = messageById(statements);
  const deliveriesAt = deliveriesOf(statements);
  /** `senders` is a JSON list of names or ids. An empty list means all. */
  const findMessages = statements.prepare<{ id: number }>(
    `SELECT m.id FROM message m INDEXED BY message_by_suffix
    WHERE substr(m.message_id, -8) = substr(:messageId, -8)
      AND substr(m.message_id, -length(:messageId)) = :messageId
      AND (:senders = '[]' OR m.from_peer_id IN (SELECT value FROM json_each(:senders))
        OR m.from_name IN (SELECT value FROM json_each(:senders)))
      AND ${involvesPeer("m.id", ":viewer")}
    ORDER BY m.id LIMIT :limit`,
  );
  const listAll = statements.prepare<{ id: number }>(
    `SELECT id FROM message WHERE id < :before AND ${hasState("message.id", "''")}
    ORDER BY id DESC LIMIT :limit`,
  );
  const listOfViewer = statements.prepare<{ id: number }>(
    `SELECT ${readInteger("a.message")} AS id FROM participant a
    WHERE a.peer_id = :viewer AND a.message < :before
      AND ${involvesPeer("a.message", ":peer")} AND ${hasState("a.message", ":viewer")}
    ORDER BY a.message DESC LIMIT :limit`,
  );
  const listOfPeer = statements.prepare<{ id: number }>(
    `SELECT ${readInteger("a.message")} AS id FROM participant a
    WHERE a.peer_id = :peer AND a.message < :before AND ${hasState("a.message", "''")}
    ORDER BY a.message DESC LIMIT :limit`,
  );
  const listOfThread = statements.prepare<{ id: number }>(
    `SELECT m.id FROM message m INDEXED BY message_by_thread
    WHERE m.thread_id = :threadId AND m.id < :before AND ${hasState("m.id", ":viewer")}
      AND ${involvesPeer("m.id", ":viewer")} AND ${involvesPeer("m.id", ":peer")}
    ORDER BY m.id DESC LIMIT :limit`,
  );
  /** Expired and dead-lettered messages are few, and have an index. */
  const listEnded = statements.prepare<{ id: number }>(
    `SELECT ${readInteger("e.message")} AS id FROM delivery e INDEXED BY delivery_ended
    WHERE e.state >= 6 AND e.state = :state AND e.message < :before
      AND ${isVisible("e", ":viewer")} AND ${involvesPeer("e.message", ":peer")}
      AND (:threadId = '' OR EXISTS
        (SELECT 1 FROM message m WHERE m.id = e.message AND m.thread_id = :threadId))
    GROUP BY e.message ORDER BY e.message DESC LIMIT :limit`,
  );

  return {
    findMessages(messageId, senders, viewer, limit) {
      const wanted = { messageId, senders: JSON.stringify(senders), viewer, limit };
      return findMessages.all(wanted).map(({ id }) => {
        const record = read(id, viewer);
        if (record !== undefined) return record;
        throw new StoreError("DATA_LOSS", `The stored message ${messageId} is damaged.`);
      });
    },

    listMessages(query) {
      // One more than the page holds tells whether there is another page.
      const matches = listing(query).all({ ...query, limit: query.limit + 1 });
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

  function listing({ viewer, peer, threadId, state }: ListQuery) {
    if (state >= ReceiptState.EXPIRED) return listEnded;
    if (threadId !== "") return listOfThread;
    if (viewer !== "") return listOfViewer;
    return peer === "" ? listAll : listOfPeer;
  }

  /** Asks the message itself who may see it, because the tables that lead to it might be damaged. */
  function read(id: number, viewer: string): RecordRow | undefined {
    const row = messageAt.one({ id });
    const body = row && quarantine.intactBody(row);
    if (row === undefined || body === undefined) return undefined;
    const receipts = deliveriesAt
      .all({ id })
      .map((receipt) => receiptOf(soundDelivery(quarantine, receipt, () => body)));
    const isShown =
      viewer === "" ||
      viewer === row.fromPeerId ||
      receipts.some(({ peerId }) => peerId === viewer);
    return isShown ? { body, receipts } : undefined;
  }
}

export function messageById(statements: Statements): Statement<ReadMessage> {
  return statements.prepare(`${messageSelect} WHERE m.id = :id`);
}

/** Whether a viewer may see a delivery's receipt: as recipient or as sender. An empty viewer sees all. */
function isVisible(delivery: string, viewer: string): string {
  return `(${viewer} = '' OR ${delivery}.peer_id = ${viewer} OR ${delivery}.from_peer_id = ${viewer})`;
}

/** Whether the message has a receipt of the state `:state` that the viewer may see, or that state is 0. */
function hasState(id: string, viewer: string): string {
  return `(:state = 0 OR EXISTS (SELECT 1 FROM delivery s
    WHERE s.message = ${id} AND s.state = :state AND ${isVisible("s", viewer)}))`;
}

/** Whether the peer sent or received the message, or the peer is empty. */
function involvesPeer(id: string, peer: string): string {
  return `(${peer} = '' OR EXISTS (SELECT 1 FROM participant p
    WHERE p.peer_id = ${peer} AND p.message = ${id}))`;
}
