import type { Message, MessageRecord } from "../../../gen/peerline/v1/message_pb.js";
import { noticeSender } from "../../../src/broker/delivery/notices.js";
import type { TestPeer } from "../../support/test-broker.js";

/** All that a caller may see, oldest first, asked for in pages. */
export async function listHistory(client: TestPeer["client"]): Promise<MessageRecord[]> {
  const records: MessageRecord[] = [];
  let pageToken = "";
  do {
    const page = await client.listMessages({ pageSize: 7, pageToken });
    records.push(...page.records);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return records.toReversed();
}

/** The broker itself sent it, to tell of messages that ended. */
export function isNotice({ message }: MessageRecord): boolean {
  return message?.from?.peerId === noticeSender.peerId;
}

/** The ids of the messages that a notice names. */
export function undeliveredIn(notice: Message | undefined): string[] {
  const { undelivered = [], unconfirmed = [] } = (notice?.data ?? {}) as Record<
    string,
    { message_id: string }[] | undefined
  >;
  return [...undelivered, ...unconfirmed].map(({ message_id }) => message_id);
}

/** How many ended messages each peer was told of, by its id. */
export function countToldEnds(notices: readonly MessageRecord[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { message } of notices) {
    const peerId = message?.to[0]?.peerId ?? "";
    const unnamed = Number(/and (\d+) more/.exec(message?.text ?? "")?.[1] ?? 0);
    counts.set(peerId, (counts.get(peerId) ?? 0) + undeliveredIn(message).length + unnamed);
  }
  return counts;
}
