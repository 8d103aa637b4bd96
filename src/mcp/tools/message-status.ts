import type { Receipt } from "../../../gen/peerline/v1/message_pb.js";
import { shortId } from "../../contract/ids.js";
import { peerText } from "../../contract/peer-text.js";
import { wireTime, evidenceWord, stateWord } from "../words.js";
import { defineTool, messageStatusDefinition } from "./definitions.js";

export const messageStatus = defineTool(
  messageStatusDefinition,
  async (parameters, { line, known, signal }) => {
    const request = { messageId: parameters.message_id };
    const { record } = await line.call(
      (client, options) => client.getMessage(request, options),
      signal,
    );
    const { message, receipts } = record ?? {};
    const participants = [message?.from, ...(receipts ?? []).map(({ recipient }) => recipient)];
    for (const one of participants) if (one) known.showFormer(one.name, one.peerId);
    return {
      message_id: shortId(message?.messageId ?? parameters.message_id),
      from: { name: message?.from?.name },
      sent_at: wireTime(message?.acceptTime),
      expires_at: wireTime(message?.expireTime),
      receipts: receipts?.map(describeReceipt) ?? [],
    };
  },
);

export function describeReceipt(receipt: Receipt) {
  return {
    name: receipt.recipient?.name,
    state: stateWord(receipt.state),
    queued_at: wireTime(receipt.queuedTime),
    leased_at: wireTime(receipt.leasedTime),
    presented_at: wireTime(receipt.presentedTime),
    confirmed_at: wireTime(receipt.confirmedTime),
    confirmed_by: evidenceWord(receipt.confirmedBy),
    answered_at: wireTime(receipt.answeredTime),
    ended_at: wireTime(receipt.endedTime),
    failed_attempts: receipt.attempts || undefined,
    reason: receipt.reason === "" ? undefined : peerText(receipt.reason),
  };
}
