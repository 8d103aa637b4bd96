import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliverySchema } from "../../gen/peerline/v1/broker_service_pb.js";
import type { Message } from "../../gen/peerline/v1/message_pb.js";
import { holdMessage, type HeldMessage } from "../../src/client/inbox.js";

let count = 0;

/** A message as the adapter holds it, from `api` unless said otherwise. */
export function held(
  options: Partial<Pick<Message, "messageId" | "text" | "threadId" | "inReplyTo" | "urgency">> & {
    data?: JsonObject;
    sender?: string;
    expiresAtMs?: number;
  } = {},
  delivery: { deliveryId?: string; redelivered?: boolean } = {},
): HeldMessage {
  const { sender = "api", expiresAtMs, ...given } = options;
  const suffix = String(++count).padStart(12, "0");
  const messageId = given.messageId ?? `01890a5d-ac96-774b-bcce-${suffix}`;
  const message = {
    messageId,
    from: { peerId: `id-of-${sender}`, name: sender },
    text: `text ${count}`,
    threadId: messageId,
    acceptTime: timestampFromMs(Date.UTC(2026, 10, 22, 12)),
    ...(expiresAtMs === undefined ? {} : { expireTime: timestampFromMs(expiresAtMs) }),
    ...given,
  };
  const deliveryId = `delivery-${count}`;
  const result = holdMessage(create(DeliverySchema, { deliveryId, message, ...delivery }));
  if (result === undefined) throw new Error("a delivery with a message was not held");
  return result;
}

/** The same message in a later delivery. */
export function again(first: HeldMessage, deliveryId: string): HeldMessage {
  return { ...first, deliveryId, redelivered: true, partsShown: 0 };
}
