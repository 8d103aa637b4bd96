import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import type { MessageRecord } from "../../../gen/peerline/v1/message_pb.js";
import { BrokerError, translateStoreErrors } from "../broker-error.js";
import type { Core } from "../core.js";
import { idForm, isIdEnd } from "../../contract/ids.js";
import { invalidField, requireField } from "../fields.js";
import { maxAmbiguous } from "../limits.js";

/**
 * Finds the one message that `viewer` (empty: the operator) means by a whole or shortened id. Senders
 * choose ids, so several messages may have the same id. Then the message of a likely sender is meant.
 * Without one it is the message that was accepted first, because its id cannot be a copy.
 */
export async function findMessage(
  core: Core,
  query: {
    field: string;
    messageId: string;
    /** The sender's peer_id; empty when any will do. */
    from: string;
    viewer: string;
    /** Senders to prefer: peer ids, and names that they had. */
    likelyFrom?: readonly string[];
    /** What else is expected of the message. */
    isMeant?: (record: MessageRecord) => boolean;
  },
): Promise<MessageRecord> {
  const { field, from, viewer, likelyFrom = [] } = query;
  requireField(field, query.messageId);
  const messageId = query.messageId.toLowerCase();
  if (!isIdEnd(messageId)) throw invalidField(field, `${field} must be ${idForm}`);
  const find = (senders: readonly string[]): Promise<MessageRecord[]> =>
    translateStoreErrors(() =>
      core.store.history.find({ messageId, senders, viewer, limit: maxAmbiguous }),
    );
  const likely = likelyFrom.length === 0 ? [] : await find(likelyFrom);
  const all = likely.length > 0 ? likely : await find(from === "" ? [] : [from]);
  const meant = query.isMeant === undefined ? all : all.filter(query.isMeant);
  // If no message is as expected, the caller of this function says so.
  const found = meant.length > 0 ? meant : all;
  const [record] = found;
  if (record === undefined) {
    throw new BrokerError(
      ErrorReason.MESSAGE_NOT_FOUND,
      viewer === ""
        ? `${field}: there is no message ${messageId} (it may have been purged)`
        : `${field}: you neither sent nor received a message ${messageId}`,
      { metadata: { field } },
    );
  }
  const ids = new Set(found.map(({ message }) => message?.messageId));
  if (ids.size > 1) {
    const named = found.map(({ message }) => `${message?.messageId} from ${message?.from?.name}`);
    throw new BrokerError(
      ErrorReason.MESSAGE_AMBIGUOUS,
      `${field}: "${messageId}" fits several messages (${named.join(", ")}): give the whole id`,
      { metadata: { field, candidates: [...ids].join(",") } },
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
