import type { WatchMessagesResponse_ReceiptMoved } from "../../gen/peerline/v1/broker_service_pb.js";
import type { Message, MessageRecord } from "../../gen/peerline/v1/message_pb.js";
import { Code, hasCode, RpcError } from "../rpc/error.js";
import { maxLogCount, maxLogMemory } from "./limits.js";
import { searchHistory, type HistoryQuery, type Operator } from "./operator.js";

/** What `log -f` has shown, over all its connections. */
export interface LogProgress {
  /** Keys of the newest messages that were shown; also of one that was there before, where none was to be shown. */
  readonly known: Set<string>;
  /** What there was at the beginning has been listed. */
  hasListed: boolean;
}

/**
 * Shows the newest messages and then everything as it happens, until the connection is lost or the
 * signal aborts, which is an error. Called again with the same progress it goes on from there.
 *
 * 1. Watch. The broker says when the watch is live.
 * 2. Only then list what there is, so that nothing falls between: what comes twice is shown once.
 * 3. Show each event. A reader that fell behind begins again.
 */
export async function followLog(
  operator: Operator,
  options: {
    progress: LogProgress;
    /** Messages to list at first, and which. */
    number: number;
    query?: HistoryQuery;
    onLive: () => Promise<void> | void;
    onRecord: (record: MessageRecord) => Promise<void>;
    onMoved: (moved: WatchMessagesResponse_ReceiptMoved) => Promise<void>;
    signal: AbortSignal;
  },
): Promise<never> {
  const { progress, onRecord } = options;
  for (;;) {
    try {
      for await (const { event } of operator.client.watchMessages({}, { signal: options.signal })) {
        if (event.case === "started") {
          await options.onLive();
          for (const record of await listNew(operator, options)) {
            await onRecord(record);
          }
        }
        if (event.case === "accepted" && learn(progress, event.value)) await onRecord(event.value);
        if (event.case === "receiptMoved") await options.onMoved(event.value);
      }
      throw new RpcError(Code.Unavailable, "The broker ended the stream.");
    } catch (error) {
      if (!hasCode(error, Code.ResourceExhausted)) throw error;
    }
  }
}

/** At first the newest `number` messages; later those that came since. */
async function listNew(
  operator: Operator,
  { progress, number, query = {} }: { progress: LogProgress; number: number; query?: HistoryQuery },
): Promise<MessageRecord[]> {
  if (!progress.hasListed) {
    // The newest of all, to know from where on messages are new.
    const newest = await searchHistory(operator, 1);
    for (const record of newest.records) learn(progress, record);
    const { records } = await searchHistory(operator, number, query);
    progress.hasListed = true;
    for (const record of records) learn(progress, record);
    return records;
  }
  // In the order of acceptance, and not by their times: the broker's clock may have been set back.
  const { records } = await searchHistory(operator, maxLogCount);
  const oldestKnown = records.findIndex((record) => progress.known.has(keyOf(record.message)));
  return records.slice(oldestKnown + 1).filter((record) => learn(progress, record));
}

/** Whether a message was unknown. */
function learn({ known }: LogProgress, { message }: MessageRecord): boolean {
  return remember(known, message);
}

/** Adds a message to those that are known, of which the newest are kept. Whether it was unknown. */
export function remember(known: Set<string>, message: MessageName | undefined): boolean {
  const key = keyOf(message);
  if (known.has(key)) return false;
  known.add(key);
  for (const oldest of known) {
    if (known.size <= maxLogMemory) break;
    known.delete(oldest);
  }
  return true;
}

type MessageName = Pick<Message, "from" | "messageId">;

/** Of one sender all ids differ. */
export function keyOf(message: MessageName | undefined): string {
  return `${message?.from?.peerId}/${message?.messageId}`;
}
