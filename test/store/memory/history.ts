import {
  ReceiptState,
  type MessageRecord,
  type PeerRef,
} from "../../../gen/peerline/v1/message_pb.js";
import type { HistoryPage, HistoryQuery, HistoryStore } from "../../../src/broker/store/history.js";
import { formatCursor, parseCursor } from "../../../src/store/stored-message.js";
import { isParticipant, toRecord, type Entry, type MessageTable } from "./message-table.js";

export function findMessages(
  messages: MessageTable,
  query: Parameters<HistoryStore["find"]>[0],
): MessageRecord[] {
  const { messageId, senders, viewer, limit } = query;
  const isSender = ({ peerId, name }: PeerRef): boolean =>
    senders.length === 0 || senders.includes(peerId) || senders.includes(name);
  return messages
    .oldestFirst()
    .filter(
      (entry) =>
        isMeant(entry.message.messageId, messageId) &&
        isSender(entry.from) &&
        (viewer === "" || isParticipant(entry, viewer)),
    )
    .slice(0, limit)
    .map(toRecord);
}

export function listMessages(messages: MessageTable, query: HistoryQuery): HistoryPage {
  const before = parseCursor(query.cursor);
  const matches = messages
    .newestFirst()
    .filter((entry) => entry.position < before && isWanted(entry, query));
  const page: Entry[] = [];
  let bytes = 0;
  for (const entry of matches.slice(0, query.limit)) {
    bytes += entry.sizeBytes;
    if (page.length > 0 && bytes > query.maxBytes) break;
    page.push(entry);
  }
  const last = page.at(-1);
  const isLastPage = last === undefined || page.length === matches.length;
  return { records: page.map(toRecord), next: isLastPage ? "" : formatCursor(last.position) };
}

/** A query may be the end of an id. With fewer than 8 characters it would fit too many. */
function isMeant(id: string, query: string): boolean {
  return id === query || (query.length >= 8 && id.endsWith(query));
}

function isWanted(entry: Entry, { viewer, peer, threadId, state }: HistoryQuery): boolean {
  return (
    (viewer === "" || isParticipant(entry, viewer)) &&
    (peer === "" || isParticipant(entry, peer)) &&
    (threadId === "" || entry.message.threadId === threadId) &&
    (state === ReceiptState.UNSPECIFIED || seenBy(viewer, entry).includes(state))
  );
}

/** The states of the receipts that the viewer may see: as recipient, or as sender. An empty viewer sees all. */
function seenBy(viewer: string, { from, deliveries }: Entry): ReceiptState[] {
  return [...deliveries]
    .filter(([peerId]) => viewer === "" || viewer === peerId || viewer === from.peerId)
    .map(([, { receipt }]) => receipt.state);
}
