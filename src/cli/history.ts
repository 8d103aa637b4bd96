import { ReceiptState, type MessageRecord } from "../../gen/peerline/v1/message_pb.js";
import { callTimeoutMs, historyPageSize } from "./limits.js";
import type { Operator } from "./operator.js";

/** The newest `number` messages of all peers, newest last; with `state`, those that have a receipt in it. */
export async function readHistory(
  operator: Operator,
  number: number,
  state = ReceiptState.UNSPECIFIED,
): Promise<MessageRecord[]> {
  const records: MessageRecord[] = [];
  let pageToken = "";
  while (records.length < number) {
    const page = await operator.client.listMessages(
      // The same size for each page: a page token is good for the same request only.
      { pageSize: Math.min(number, historyPageSize), pageToken, state },
      { timeoutMs: callTimeoutMs },
    );
    records.push(...page.records);
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  return records.slice(0, number).toReversed();
}
