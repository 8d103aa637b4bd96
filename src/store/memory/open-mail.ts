import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { QueuedMessage } from "../../broker/store.js";
import type { Clock } from "../../clock.js";
import { climb } from "../ladder.js";
import { maxBacklogSenders } from "../limits.js";
import type { OpenMail } from "../queue-readers.js";
import { toReceipt } from "../stored-receipt.js";
import type { Delivery } from "./entry.js";
import type { MessageLog } from "./message-log.js";

/** The open mail of a log, for its readers. */
export function openMail(log: MessageLog, clock: Clock): OpenMail {
  return {
    async take(peerId, { returned, after }, { maxMessages, maxBytes }) {
      const messages: QueuedMessage[] = [];
      let reach = 0;
      let bytes = 0;
      for (const delivery of log.queue(peerId).from(returned, after)) {
        const { sizeBytes } = delivery.entry;
        const exceeds = messages.length > 0 && bytes + sizeBytes > maxBytes;
        if (messages.length >= maxMessages || exceeds) break;
        messages.push(lease(delivery, clock.now()));
        reach = delivery.receipt.seq;
        bytes += sizeBytes;
      }
      return { messages, damaged: [], reach };
    },

    async backlog(peerId, { returned, after }) {
      const deliveries = [...log.queue(peerId).from(returned, after)];
      const senders = new Map<string, string>();
      for (const { entry } of deliveries) {
        if (!senders.has(entry.from.peerId)) senders.set(entry.from.peerId, entry.from.name);
      }
      return {
        unread: deliveries.length,
        senders: [...senders]
          .slice(0, maxBacklogSenders)
          .map(([senderPeerId, name]) => ({ peerId: senderPeerId, name })),
      };
    },
  };
}

function lease(delivery: Delivery, nowMs: number): QueuedMessage {
  const redelivered = delivery.isRedriven || delivery.receipt.state !== ReceiptState.QUEUED;
  delivery.receipt = climb(delivery.receipt, { state: ReceiptState.LEASED }, nowMs).receipt;
  return {
    message: delivery.entry.message,
    receipt: toReceipt(delivery.receipt),
    sizeBytes: delivery.entry.sizeBytes,
    redelivered,
  };
}
