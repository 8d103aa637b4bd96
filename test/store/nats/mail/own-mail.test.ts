import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { MessageSchema, PeerRefSchema } from "../../../../gen/peerline/v1/message_pb.js";
import { maxOwnUntold } from "../../../../src/store/nats/limits.js";
import type { MailHead } from "../../../../src/store/nats/mail/mail-record.js";
import { OwnMail } from "../../../../src/store/nats/mail/own-mail.js";

test("knows what the stream tells of after its answer, once", () => {
  const own = new OwnMail();
  const stored = { head: headAt(5), message };
  own.stored(stored);
  expect(own.takeMessage(4)).toBeUndefined();
  expect(own.takeMessage(5)).toBe(stored);
  expect(own.takeMessage(5)).toBeUndefined();
});

test("keeps nothing that the stream told of before its answer came", () => {
  const own = new OwnMail();
  expect(own.takeMessage(5)).toBeUndefined();
  own.stored({ head: headAt(5), message });
  expect(own.takeMessage(5)).toBeUndefined();
});

test("keeps no more than it may where the stream tells nothing", () => {
  const own = new OwnMail();
  for (let seq = 1; seq <= maxOwnUntold + 1; seq += 1) own.stored({ head: headAt(seq), message });
  expect(own.takeMessage(maxOwnUntold)?.head.seq).toBe(maxOwnUntold);
  expect(own.takeMessage(maxOwnUntold + 1)).toBeUndefined();
});

const message = create(MessageSchema, {});

function headAt(seq: number): MailHead {
  const peer = create(PeerRefSchema, { peerId: "a", name: "a" });
  return {
    seq,
    to: peer,
    from: peer,
    messageId: `${seq}`,
    fingerprint: "",
    threadId: "",
    acceptMs: 0,
    queuedMs: 0,
    expireMs: 0,
    sizeBytes: 0,
    leasedEpoch: undefined,
    isAdded: false,
  };
}
