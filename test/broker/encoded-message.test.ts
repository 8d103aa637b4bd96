import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { DeliverySchema } from "../../gen/peerline/v1/broker_service_pb.js";
import { MessageSchema } from "../../gen/peerline/v1/message_pb.js";
import { encodedOnce } from "../../src/broker/delivery/encoded-message.js";

const message = create(MessageSchema, { messageId: "1", text: "é".repeat(100), to: [{}, {}] });

test("is the message that a reader of the delivery finds", () => {
  const delivery = create(DeliverySchema, { deliveryId: "2", seq: 3n });
  delivery.$unknown = [encodedOnce(message)];
  const read = fromBinary(DeliverySchema, toBinary(DeliverySchema, delivery));
  expect(read).toEqual(create(DeliverySchema, { deliveryId: "2", seq: 3n, message }));
});

test("is encoded once, however many it is delivered to", () => {
  expect(encodedOnce(message)).toBe(encodedOnce(message));
  expect(encodedOnce({ ...message })).not.toBe(encodedOnce(message));
});
