import { create, fromBinary } from "@bufbuild/protobuf";
import {
  MessageSchema,
  PeerRefSchema,
  type Message,
  type PeerRef,
  ReceiptState,
} from "../../../../gen/peerline/v1/message_pb.js";
import type { AdvancedReceipt } from "../../../broker/store/queues.js";
import { leased, queuedReceipt, toReceipt, type StoredReceipt } from "../../stored-message.js";
import type { Headers } from "../requests.js";
import type { MailSubjects } from "../subjects.js";

/** What is told of a message for one recipient beside the message itself. */
export interface MailHead {
  /** Its sequence in the stream of mail: its place in its queue and in the order of acceptance. */
  readonly seq: number;
  readonly to: PeerRef;
  readonly from: PeerRef;
  readonly messageId: string;
  readonly fingerprint: string;
  readonly threadId: string;
  /** Of the message. */
  readonly acceptMs: number;
  /** Of this delivery: later than that where the recipient was added by a repeat. */
  readonly queuedMs: number;
  readonly expireMs: number;
  /** Of the encoded message. */
  readonly sizeBytes: number;
  /** Its recipient's reader had it with its acceptance; the epoch of that reader's session. */
  readonly leasedEpoch: number | undefined;
  /** The message does not name this recipient: a repeat of it did. */
  readonly isAdded: boolean;
}

/** Where one delivery stands. */
export interface Register {
  readonly from: PeerRef;
  readonly messageId: string;
  readonly receipt: StoredReceipt;
  /** It came back from the dead letters, so that it may have been handed out before. */
  readonly isRedriven: boolean;
  /** Of the session to whose reader it was handed out last; 0 before. */
  readonly epoch: number;
  /** The state was reached by the last change: watchers are told of it. */
  readonly isMove: boolean;
  /** The delivery was removed; the receipt is what watchers are told of it. */
  readonly isRemoved: boolean;
}

const headHeader = "Peerline-Head";
/** The state as a number; 0 where the delivery was removed. */
export const stateHeader = "Peerline-State";

export function formatHead(head: Omit<MailHead, "seq">): Headers {
  const { to, from, fingerprint, threadId, acceptMs, queuedMs, expireMs, leasedEpoch } = head;
  const said = {
    to: to.name,
    from: from.name,
    fingerprint,
    thread: threadId,
    accept: acceptMs,
    queued: queuedMs,
    expire: expireMs,
    ...(leasedEpoch === undefined ? {} : { leased: leasedEpoch }),
    ...(head.isAdded ? { added: true } : {}),
  };
  return { [headHeader]: asciiJson(said) };
}

/** What a stored message says of itself; undefined where it is none of ours, or damaged. */
export function readHead(
  subjects: MailSubjects,
  stored: { subject: string; seq: number; sizeBytes: number; header: (name: string) => string },
): MailHead | undefined {
  const key = subjects.readMail(stored.subject);
  const said = parseObject(stored.header(headHeader));
  if (key === undefined || said === undefined) return undefined;
  const { accept, queued, expire, leased: epoch } = said;
  if (!isCount(accept) || !isCount(queued) || !isCount(expire)) return undefined;
  return {
    seq: stored.seq,
    to: create(PeerRefSchema, { peerId: key.to, name: text(said["to"]) }),
    from: create(PeerRefSchema, { peerId: key.from, name: text(said["from"]) }),
    messageId: key.messageId,
    fingerprint: text(said["fingerprint"]),
    threadId: text(said["thread"]),
    acceptMs: accept,
    queuedMs: queued,
    expireMs: expire,
    sizeBytes: stored.sizeBytes,
    leasedEpoch: isCount(epoch) ? epoch : undefined,
    isAdded: said["added"] === true,
  };
}

/** The message of a record; undefined where it is damaged. */
export function readMessage(body: Uint8Array): Message | undefined {
  try {
    return fromBinary(MessageSchema, body);
  } catch {
    return undefined;
  }
}

/** Where a delivery stands whose register cannot be read: it is open, and somebody may have had it. */
export function doubtfulRegister(head: MailHead): Register {
  return { ...firstRegister(head), isRedriven: true };
}

/** The state that a register's header tells; undefined where it tells none. */
export function readState(header: string): ReceiptState | "removed" | undefined {
  const state = /^\d$/.test(header) ? Number(header) : undefined;
  if (state === 0) return "removed";
  return state !== undefined && ReceiptState[state] !== undefined ? state : undefined;
}

/** Where a delivery stands of which there is no register: nobody has moved it since it was accepted. */
export function firstRegister({
  seq,
  to,
  from,
  messageId,
  queuedMs,
  leasedEpoch,
}: MailHead): Register {
  const queued = queuedReceipt({ seq, peerId: to.peerId, peerName: to.name, queuedMs });
  return {
    from,
    messageId,
    receipt: leasedEpoch === undefined ? queued : leased(queued, queuedMs),
    isRedriven: false,
    epoch: leasedEpoch ?? 0,
    isMove: leasedEpoch !== undefined,
    isRemoved: false,
  };
}

export function formatRegister(register: Register): { payload: Uint8Array; headers: Headers } {
  const { from, messageId, receipt, isRedriven, epoch, isMove, isRemoved } = register;
  const said = {
    from: { peerId: from.peerId, name: from.name },
    messageId,
    receipt,
    ...(isRedriven ? { isRedriven } : {}),
    ...(epoch === 0 ? {} : { epoch }),
    ...(isMove ? { isMove } : {}),
    ...(isRemoved ? { isRemoved } : {}),
  };
  return {
    payload: Buffer.from(JSON.stringify(said)),
    headers: { [stateHeader]: String(isRemoved ? 0 : receipt.state) },
  };
}

/** Undefined where it cannot be read. */
export function readRegister(payload: Uint8Array): Register | undefined {
  const said = parseObject(Buffer.from(payload).toString());
  const from = asObject(said?.["from"]);
  const receipt = asObject(said?.["receipt"]);
  if (said === undefined || from === undefined || receipt === undefined) return undefined;
  if (!isReceipt(receipt)) return undefined;
  return {
    from: create(PeerRefSchema, { peerId: text(from["peerId"]), name: text(from["name"]) }),
    messageId: text(said["messageId"]),
    receipt,
    isRedriven: said["isRedriven"] === true,
    epoch: isCount(said["epoch"]) ? said["epoch"] : 0,
    isMove: said["isMove"] === true,
    isRemoved: said["isRemoved"] === true,
  };
}

export function toAdvanced(
  { from, messageId, receipt }: Register,
  moved: boolean,
): AdvancedReceipt {
  return { from, messageId, receipt: toReceipt(receipt), moved };
}

function isReceipt(
  value: Record<string, unknown>,
): value is Record<string, unknown> & StoredReceipt {
  const numbers = ["seq", "state", "queuedMs", "confirmedBy", "attempts"];
  const times = ["leasedMs", "presentedMs", "confirmedMs", "answeredMs", "endedMs"];
  const { state } = value;
  return (
    numbers.every((name) => isCount(value[name])) &&
    times.every((name) => value[name] === null || isCount(value[name])) &&
    ["peerId", "peerName", "reason"].every((name) => typeof value[name] === "string") &&
    typeof state === "number" &&
    ReceiptState[state] !== undefined
  );
}

/** JSON of ASCII alone, as a header has to be. */
function asciiJson(value: object): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    return asObject(JSON.parse(json));
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
