import { ReceiptState, Urgency, type MessageRecord } from "../../gen/peerline/v1/message_pb.js";
import { systemClock } from "../clock.js";
import { isIdEnd } from "../contract/ids.js";
import { RpcError } from "../rpc/error.js";
import { CliError, explainRefusal, reasonOf } from "./failure.js";
import { callTimeoutMs } from "./limits.js";
import type { HistoryClient, HistoryQuery } from "./operator.js";
import { writtenId } from "./print/message-lines.js";
import { writtenSpan } from "./shell.js";

/** What the options of `log` say of the messages that are wanted. */
export interface FilterOptions {
  readonly peer?: string;
  readonly thread?: string;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly unanswered?: true;
  readonly grep?: RegExp;
  /** Later messages are wanted too, also those of a thread that has not begun. */
  readonly follow?: true;
}

export interface LogFilter extends HistoryQuery {
  readonly isWanted: (record: MessageRecord) => boolean;
}

export function isFiltered(options: FilterOptions): boolean {
  const { peer, thread, since, unanswered, grep } = options;
  return [peer, thread, since, unanswered, grep].some((option) => option !== undefined);
}

/** The messages that are wanted, for the broker's list and for what comes after it. */
export async function openFilter(
  operator: { client: HistoryClient },
  options: FilterOptions,
): Promise<LogFilter> {
  const { peer = "", since, unanswered = false, grep } = options;
  const peerId = peer === "" ? undefined : await peerIdOf(operator, peer);
  const thread = options.thread ? await threadOf(operator, options.thread) : "";
  if (thread === undefined && !options.follow) {
    throw new CliError("USAGE", `--thread: no message is in a thread ${options.thread}.`);
  }
  return {
    peer: peerId ?? "",
    threadId: thread ?? options.thread ?? "",
    sinceMs: since,
    isWanted: (record) =>
      (peerId === undefined || isOf(record, peerId)) &&
      (thread === "" || record.message?.threadId === (thread ?? options.thread)) &&
      (!unanswered || isUnanswered(record)) &&
      (grep === undefined || grep.test(textOf(record))),
  };
}

async function peerIdOf(operator: { client: HistoryClient }, wanted: string): Promise<string> {
  const call = operator.client.getPeer({ peer: wanted }, { timeoutMs: callTimeoutMs });
  return (await inWordsOf("--peer", call)).peer?.peerId ?? "";
}

/** A thread by its name, or by the id of a message in it; undefined where no message is in one. */
async function threadOf(
  operator: { client: HistoryClient },
  wanted: string,
): Promise<string | undefined> {
  const messageId = writtenId(wanted);
  if (isIdEnd(messageId)) {
    const found = await operator.client
      .getMessage({ messageId }, { timeoutMs: callTimeoutMs })
      .catch(() => undefined);
    const thread = found?.record?.message?.threadId;
    if (thread !== undefined) return thread;
  }
  const query = { threadId: wanted, pageSize: 1 };
  const call = operator.client.listMessages(query, { timeoutMs: callTimeoutMs });
  const { records } = await inWordsOf("--thread", call);
  return records.length === 0 ? undefined : wanted;
}

/** A refusal of the broker names the option. */
async function inWordsOf<T>(option: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof RpcError) || reasonOf(error) === undefined) throw error;
    throw new CliError("USAGE", explainRefusal(error, option), { cause: error });
  }
}

function isOf({ message, receipts }: MessageRecord, peerId: string): boolean {
  return (
    message?.from?.peerId === peerId ||
    receipts.some(({ recipient }) => recipient?.peerId === peerId)
  );
}

/**
 * Nobody has answered it, and somebody else might. A message does not count if it wants no answer, has
 * expired, or went only to its sender. Nor does a notice of the broker.
 */
function isUnanswered({ message, receipts }: MessageRecord): boolean {
  return (
    message?.urgency !== Urgency.FYI &&
    message?.from?.name.startsWith("@") === false &&
    receipts.every(({ state }) => state !== ReceiptState.ANSWERED) &&
    receipts.some(
      ({ state, recipient }) =>
        state !== ReceiptState.EXPIRED && recipient?.peerId !== message.from?.peerId,
    )
  );
}

function textOf({ message }: MessageRecord): string {
  const data = message?.data === undefined ? "" : `\n${JSON.stringify(message.data)}`;
  return `${message?.text ?? ""}${data}`;
}

/** A moment: so long ago, a time of the last 24 hours, or a date with or without a time, on the local clock. */
export function readSince(text: string): number {
  const nowMs = systemClock.now();
  const seconds = writtenSpan(text);
  if (seconds !== undefined) return nowMs - seconds * 1000;
  const time = /^\s*(\d{1,2}):(\d{2})\s*$/.exec(text);
  if (time !== null) {
    const moment = new Date(nowMs);
    moment.setHours(Number(time[1]), Number(time[2]), 0, 0);
    if (moment.getTime() > nowMs) moment.setDate(moment.getDate() - 1);
    return moment.getTime();
  }
  const [date, clock = "00:00"] = text.trim().split(/[T ]+/);
  const ms = /^\d{4}-\d\d-\d\d$/.test(date ?? "") ? Date.parse(`${date}T${clock}`) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new CliError(
    "USAGE",
    `--since "${text}" is no time: write 10m, 2h or 1d for so long ago, 14:30, 2026-11-27 or "2026-11-27 14:30".`,
  );
}

/** A pattern in any case. */
export function readPattern(text: string): RegExp {
  try {
    return new RegExp(text, "iu");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError("USAGE", `--grep: ${why}. A \\ before a sign makes it plain text.`, {
      cause,
    });
  }
}
