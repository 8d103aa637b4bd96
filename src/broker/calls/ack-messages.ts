import { maxAcks } from "../../contract/limits.js";
import { create } from "@bufbuild/protobuf";
import {
  AckMessagesResponseSchema,
  AckResultSchema,
  Outcome,
  type Ack,
  type AckMessagesRequest,
  type AckMessagesResponse,
  type AckResult,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { ConfirmedBy, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { statusOf } from "../../rpc/status.js";
import { BrokerError } from "../broker-error.js";
import type { Core } from "../core.js";
import { parseDeliveryId } from "../delivery/leases.js";
import { isGone } from "../delivery/receipts.js";
import { boundBytes, boundCount, invalidField, requireField } from "../fields.js";
import { maxDeliveryIdBytes, maxReasonBytes } from "../limits.js";
import type { Session } from "../peers/sessions.js";

/** Carries out reports, one by one; each is durable when its entry answers. */
export async function ackMessages(
  core: Core,
  session: Session,
  request: AckMessagesRequest,
): Promise<AckMessagesResponse> {
  if (request.acks.length === 0) requireField("acks", "");
  boundCount("acks", request.acks.length, maxAcks);
  if (request.acks.some(({ outcome }) => isUse(outcome))) core.sessions.makeSure(session);
  const results = await Promise.all(request.acks.map((ack) => answer(core, session, ack)));
  return create(AckMessagesResponseSchema, { results });
}

async function answer(core: Core, session: Session, ack: Ack): Promise<AckResult> {
  const { deliveryId } = ack;
  try {
    return create(AckResultSchema, { deliveryId, state: await report(core, session, ack) });
  } catch (error) {
    // Retention may forget a message while it is reported on.
    const known = isGone(error) ? notFound() : error;
    if (!(known instanceof BrokerError)) throw known;
    return create(AckResultSchema, { deliveryId, error: statusOf(known) });
  }
}

async function report(core: Core, session: Session, ack: Ack): Promise<ReceiptState> {
  checkAck(ack);
  const key = parseDeliveryId(ack.deliveryId);
  const { peerId } = session.peer.stored;
  if (key === undefined || key.peerId !== peerId) throw notFound();
  const state =
    (await core.subscriptions.report(peerId, key.seq, ack)) ??
    // The lease has ended. The report succeeds if it says what is already known.
    (await core.receipts.get(peerId, key.seq))?.receipt.state;
  if (state === undefined) throw notFound();
  if (!agrees(state, ack.outcome)) throw stale(state);
  return state;
}

/** Whether a message has reached the state that a report names, or a later one on the same path. */
function agrees(state: ReceiptState, outcome: Outcome): boolean {
  switch (outcome) {
    case Outcome.PRESENTED:
      return state >= ReceiptState.PRESENTED;
    case Outcome.CONFIRMED:
      return state === ReceiptState.CONFIRMED || state === ReceiptState.ANSWERED;
    case Outcome.RETURNED:
      // It is offered again, or that was its last attempt.
      return state < ReceiptState.CONFIRMED || state === ReceiptState.DEAD_LETTERED;
    case Outcome.REJECTED:
      return state === ReceiptState.DEAD_LETTERED;
    case Outcome.EXPIRED:
      return state === ReceiptState.EXPIRED;
    default:
      return false;
  }
}

function stale(state: ReceiptState): BrokerError {
  const fate =
    state < ReceiptState.CONFIRMED
      ? "the message is offered again under a new delivery_id"
      : `the message is ${ReceiptState[state].toLowerCase()} already`;
  return new BrokerError(
    ErrorReason.DELIVERY_STALE,
    `delivery_id: its lease has ended, so that the report changes nothing: ${fate}`,
    { metadata: { field: "delivery_id" } },
  );
}

/** The caller has shown or taken in the message: the peer is its own. */
function isUse(outcome: Outcome): boolean {
  return outcome === Outcome.PRESENTED || outcome === Outcome.CONFIRMED;
}

function checkAck(ack: Ack): void {
  requireField("delivery_id", ack.deliveryId);
  boundBytes("delivery_id", ack.deliveryId, maxDeliveryIdBytes);
  boundBytes("reason", ack.reason, maxReasonBytes);
  if (ack.outcome === Outcome.UNSPECIFIED) requireField("outcome", "");
  if (Outcome[ack.outcome] === undefined)
    throw invalidField("outcome", "outcome is none of Outcome");
  if (ConfirmedBy[ack.confirmedBy] === undefined) {
    throw invalidField("confirmed_by", "confirmed_by is none of ConfirmedBy");
  }
}

function notFound(): BrokerError {
  return new BrokerError(
    ErrorReason.DELIVERY_NOT_FOUND,
    "delivery_id: no such delivery was made to this peer: use the delivery_id of a Delivery event",
    { metadata: { field: "delivery_id" } },
  );
}
