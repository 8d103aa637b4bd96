import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Delivery } from "../../gen/peerline/v1/broker_service_pb.js";
import type { Message } from "../../gen/peerline/v1/message_pb.js";

/** A message that was delivered to this adapter and whose end the broker does not know yet. */
export interface HeldMessage {
  /** Identifies the message among all: its sender and the sender's id for it. */
  readonly key: string;
  readonly message: Message;
  /** What the sender is called now, as far as the broker has told; it may differ from `message.from`. */
  senderName: string;
  /** Milliseconds since the Unix epoch, by the broker's clock. */
  expiresAtMs: number;
  /** Names its newest delivery. */
  deliveryId: string;
  /** A model may have seen it before. */
  redelivered: boolean;
  /** Of a message that is shown in parts: how many were. */
  partsShown: number;
}

/** Holds what a delivery brings; undefined for one without a message, which no broker sends. */
export function holdMessage(delivery: Delivery): HeldMessage | undefined {
  const { message, deliveryId, redelivered, sender } = delivery;
  if (message === undefined) return undefined;
  return {
    key: `${message.from?.peerId}/${message.messageId}`,
    message,
    senderName: sender?.name ?? message.from?.name ?? "",
    expiresAtMs: message.expireTime ? timestampMs(message.expireTime) : Number.POSITIVE_INFINITY,
    deliveryId,
    redelivered,
    partsShown: 0,
  };
}
