import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  DropMessageResponseSchema,
  RedriveMessageResponseSchema,
  type DropMessageRequest,
  type DropMessageResponse,
  type RedriveMessageRequest,
  type RedriveMessageResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import {
  ReceiptState,
  type MessageRecord,
  type PeerRef,
  type Receipt,
} from "../../../gen/peerline/v1/message_pb.js";
import { BrokerError } from "../broker-error.js";
import type { Core } from "../core.js";
import { isGone } from "../delivery/receipts.js";
import { invalidField } from "../fields.js";
import { maxNamesTold } from "../limits.js";
import { findMessage } from "./find-message.js";
import type { ExpiryKey } from "../store/history.js";

/** Puts a dead-lettered message back into its queue. */
export async function redriveMessage(
  core: Core,
  request: RedriveMessageRequest,
): Promise<RedriveMessageResponse> {
  const { peerId, seq, expireTimeMs } = await findDeadLetter(core, request);
  if (core.directory.get(peerId) === undefined) {
    throw new BrokerError(
      ErrorReason.PEER_NOT_FOUND,
      "message_id: its recipient was deleted, and has no queue any more: drop the message, or have it sent to another",
      { metadata: { field: "message_id", candidates: "" } },
    );
  }
  if (expireTimeMs <= core.clock.now()) {
    const message =
      "message_id: the message's time to wait is over: it would end at once; have it sent anew";
    throw invalidField("message_id", message);
  }
  const { receipt } = await unlessGone(() => core.receipts.redrive(peerId, seq));
  core.expiry.expect(expireTimeMs);
  core.log.info({ peerId, seq: String(seq) }, "dead letter redriven");
  return create(RedriveMessageResponseSchema, { receipt });
}

/** Forgets a dead-lettered message. */
export async function dropMessage(
  core: Core,
  request: DropMessageRequest,
): Promise<DropMessageResponse> {
  const { peerId, seq } = await findDeadLetter(core, request);
  await unlessGone(() => core.receipts.drop(peerId, seq));
  core.log.info({ peerId, seq: String(seq) }, "dead letter dropped");
  return create(DropMessageResponseSchema);
}

async function findDeadLetter(
  core: Core,
  request: { messageId: string; recipient: string },
): Promise<ExpiryKey> {
  const { messageId } = request;
  const isWanted = recipientTest(core, request.recipient);
  const deadIn = (record: MessageRecord): Receipt[] =>
    record.receipts.filter(
      ({ state, recipient }) =>
        state === ReceiptState.DEAD_LETTERED && recipient !== undefined && isWanted(recipient),
    );
  const record = await findMessage(core, {
    field: "message_id",
    messageId,
    from: "",
    viewer: "",
    isMeant: (found) => deadIn(found).length > 0,
  });
  const dead = deadIn(record);
  const [receipt] = dead;
  if (receipt?.recipient === undefined) {
    const meant = record.receipts.filter(({ recipient }) => recipient && isWanted(recipient));
    // The error for an unknown name lists similar names.
    if (meant.length === 0) core.directory.resolve("recipient", request.recipient);
    throw notDead(meant);
  }
  if (dead.length > 1) {
    const all = dead.map(({ recipient }) => recipient?.name);
    // Two peers may have had one name: the first had it before it was deleted or renamed.
    const isUnique = new Set(all).size === all.length;
    const names = isUnique ? all : dead.map(({ recipient }) => recipient?.peerId);
    throw new BrokerError(
      ErrorReason.PEER_AMBIGUOUS,
      `recipient: the message is dead-lettered for several peers (${names.join(", ")}): name one`,
      { metadata: { field: "recipient", candidates: names.join(",") } },
    );
  }
  const { expireTime } = record.message ?? {};
  return {
    peerId: receipt.recipient.peerId,
    seq: receipt.seq,
    expireTimeMs: expireTime === undefined ? Number.POSITIVE_INFINITY : timestampMs(expireTime),
  };
}

/**
 * The recipients that a name or id means. A name is the one that the message shows, even if that peer
 * was deleted and another has the name now. It may also be a peer's present name.
 */
function recipientTest(core: Core, wanted: string): (recipient: PeerRef) => boolean {
  if (wanted === "") return () => true;
  const text = wanted.trim().toLowerCase();
  const found = core.directory.find(wanted);
  const known = found.length === 1 ? found[0]?.stored.peerId : undefined;
  return ({ peerId, name }) => name === text || peerId === text || peerId === known;
}

/** Somebody else may have redriven or dropped it since it was found. */
async function unlessGone<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw isGone(error) ? notDead([]) : error;
  }
}

/** @param receipts those of the recipients that are meant. */
function notDead(receipts: readonly Receipt[]): BrokerError {
  const standing = receipts.slice(0, maxNamesTold).map(({ state, recipient }) => {
    const told = standings[state];
    return told === undefined ? [] : [told(recipient?.name ?? "")];
  });
  const why = standing.flat().join("; ");
  return new BrokerError(
    ErrorReason.MESSAGE_NOT_FOUND,
    why === ""
      ? "message_id: no such message is dead-lettered for this recipient any more"
      : `message_id: the message is not dead-lettered: ${why}`,
    { metadata: { field: "message_id" } },
  );
}

const standings: Partial<Record<ReceiptState, (name: string) => string>> = {
  [ReceiptState.QUEUED]: (name) => `it still waits for ${name}`,
  [ReceiptState.LEASED]: (name) => `it is with ${name}, which has not shown it yet`,
  [ReceiptState.PRESENTED]: (name) => `it was presented to ${name}`,
  [ReceiptState.CONFIRMED]: (name) => `${name} has confirmed it`,
  [ReceiptState.ANSWERED]: (name) => `${name} has answered it`,
  [ReceiptState.EXPIRED]: (name) => `it expired before ${name} saw it, and may be sent anew`,
};
