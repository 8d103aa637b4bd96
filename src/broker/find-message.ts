import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import type { MessageRecord } from "../../gen/peerline/v1/message_pb.js";
import { BrokerError, translateStoreErrors } from "./broker-error.js";
import type { Core } from "./core.js";
import { matchField, requireField } from "./fields.js";
import { maxAmbiguous, minShortIdLength } from "./limits.js";

/** Finds the one message that `viewer` (empty: the operator) means by a whole or shortened id. */
export async function findMessage(
  core: Core,
  query: {
    field: string;
    messageId: string;
    /** The sender's peer_id; empty when any will do. */
    from: string;
    viewer: string;
    /** Senders to prefer where several used the same id. */
    likelyFrom?: readonly string[];
  },
): Promise<MessageRecord> {
  const { field, from, viewer } = query;
  requireField(field, query.messageId);
  const messageId = query.messageId.toLowerCase();
  const form = `a message id, or its last ${minShortIdLength} or more characters`;
  matchField(field, messageId, new RegExp(`^[0-9a-f-]{${minShortIdLength},36}$`), form);
  const found = await translateStoreErrors(() =>
    core.store.findMessages({ messageId, from, viewer, limit: maxAmbiguous }),
  );
  const likely = found.filter(({ message }) =>
    query.likelyFrom?.includes(message?.from?.peerId ?? ""),
  );
  const [record] = likely.length === 1 ? likely : found;
  if (record === undefined) {
    throw new BrokerError(
      ErrorReason.MESSAGE_NOT_FOUND,
      `${field}: you neither sent nor received a message ${messageId}`,
      { metadata: { field } },
    );
  }
  if (found.length > 1 && likely.length !== 1) {
    const ids = found.map(({ message }) => `${message?.messageId} from ${message?.from?.name}`);
    throw new BrokerError(
      ErrorReason.MESSAGE_AMBIGUOUS,
      `${field}: "${messageId}" fits several messages (${ids.join(", ")}): give ${messageId.length < 36 ? "the whole id" : "from_peer_id"}`,
      { metadata: { field, candidates: found.map(({ message }) => message?.messageId).join(",") } },
    );
  }
  return visibleTo(viewer, record);
}

/** What a viewer may see of a message: the sender and the operator see all receipts, a recipient its own. */
export function visibleTo(viewer: string, record: MessageRecord): MessageRecord {
  if (viewer === "" || record.message?.from?.peerId === viewer) return record;
  return {
    ...record,
    receipts: record.receipts.filter(({ recipient }) => recipient?.peerId === viewer),
  };
}
