import { toBinary, type UnknownField } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { DeliverySchema } from "../../../gen/peerline/v1/broker_service_pb.js";
import { type Message, MessageSchema } from "../../../gen/peerline/v1/message_pb.js";

/**
 * The field `message` of a Delivery, as bytes. A message names all its recipients, and is in the delivery
 * of each: encoded anew for each of them, it would cost the square of their number.
 */
export function encodedOnce(message: Message): UnknownField {
  const known = encoded.get(message);
  if (known !== undefined) return known;
  const data = new BinaryWriter().bytes(toBinary(MessageSchema, message)).finish();
  const { number: no } = DeliverySchema.field.message;
  const field = { no, wireType: WireType.LengthDelimited, data };
  encoded.set(message, field);
  return field;
}

const encoded = new WeakMap<Message, UnknownField>();
