import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { MessageSchema, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import { firstRegister, type MailHead } from "../../../src/store/nats/mail/mail-record.js";
import { MailView } from "../../../src/store/nats/mail/mail-view.js";
import type { OpenDelivery } from "../../../src/store/nats/mail/open-mail.js";
import { OwnPublishes } from "../../../src/store/nats/mail/own-publishes.js";
import { Readers } from "../../../src/store/nats/mail/readers.js";
import { toReceipt } from "../../../src/store/stored-message.js";
import { silent } from "../../contract/store/bell.js";
import { alice, ample, bob } from "../../contract/store/drafts.js";
import { eventually } from "../../support/test-broker.js";

const { LEASED, CONFIRMED } = ReceiptState;

function headOf(seq: number, leasedEpoch?: number): MailHead {
  const messageId = `message-${seq}`;
  const fixed = { fingerprint: "", threadId: "", acceptMs: 1, queuedMs: 1, expireMs: 9e15 };
  return {
    ...fixed,
    seq,
    messageId,
    from: alice,
    to: bob,
    sizeBytes: 10,
    leasedEpoch,
    isAdded: false,
  };
}

function registerOf(head: MailHead, state: ReceiptState) {
  const first = firstRegister(head);
  return { ...first, epoch: 1, receipt: { ...first.receipt, state } };
}

/** What a gateway knows, told by hand as the streams would; leases fail while the engine is away. */
function openGateway() {
  const opened: number[] = [];
  const view = new MailView({
    opened: (delivery) => {
      opened.push(delivery.head.seq);
      readers.opened(delivery);
    },
    closed: (peerId, seq) => readers.closed(peerId, seq),
  });
  const engine = { isAway: false };
  const readers = new Readers(
    {
      queue: (peerId) => view.queue(peerId),
      get toldSeq() {
        return view.toldSeq;
      },
      catchUp: async () => {},
      async lease({ head, register }: OpenDelivery) {
        if (engine.isAway) throw new StoreError("UNAVAILABLE", "no answer");
        const message = create(MessageSchema, { messageId: head.messageId, from: alice });
        const receipt = toReceipt(register.receipt);
        const redelivered = register.receipt.state === LEASED;
        return {
          state: "leased",
          queued: { message, receipt, sizeBytes: head.sizeBytes, redelivered },
        };
      },
    },
    systemClock,
  );
  const underWay = new OwnPublishes();
  return {
    view,
    opened,
    engine,
    reader: readers.open({ peerId: bob.peerId, epoch: 1 }, silent),
    /** A message for bob is about to be stored here. */
    claim: (subject: string): void => {
      const claim = readers.claim(bob.peerId, 10);
      if (claim === undefined) throw new Error("the reader does not wait with credit");
      underWay.begin(subject, { message: create(MessageSchema, { messageId: subject }), claim });
    },
    /** The engine's answer came. */
    stored: (head: MailHead): void => {
      view.add(head);
      underWay.stored(head.messageId, head.seq, view.toldSeq);
    },
    /** The stream of mail tells of it. */
    tell: (head: MailHead): void => {
      const delivery = view.arrive(head);
      if (!underWay.tell(head.messageId, delivery) && delivery !== undefined)
        readers.opened(delivery);
      underWay.passed(head.seq);
    },
  };
}

async function idsOf(reading: Promise<{ message: { messageId: string }; redelivered: boolean }[]>) {
  return (await reading).map(({ message, redelivered }) => [message.messageId, redelivered]);
}

test("what this gateway stored is handed out after what another stored before it", async () => {
  const { reader, claim, stored, tell } = openGateway();
  expect(await reader.next(ample)).toEqual([]);
  claim("message-2");
  stored(headOf(2, 1));
  expect(await reader.next(ample)).toEqual([]);
  tell(headOf(1));
  tell(headOf(2, 1));
  expect(await idsOf(reader.next(ample))).toEqual([
    ["message-1", false],
    ["message-2", false],
  ]);
});

test("what the stream tells of before the engine answers is handed out then", async () => {
  const { reader, claim, stored, tell } = openGateway();
  expect(await reader.next(ample)).toEqual([]);
  claim("message-1");
  tell(headOf(1, 1));
  expect(await idsOf(reader.next(ample))).toEqual([["message-1", false]]);
  stored(headOf(1, 1));
  expect(await reader.next(ample)).toEqual([]);
});

test("what is claimed waits for an older message that cannot be leased now", async () => {
  const { reader, engine, claim, stored, tell } = openGateway();
  expect(await reader.next(ample)).toEqual([]);
  tell(headOf(1));
  engine.isAway = true;
  const reading = reader.next(ample);
  claim("message-2");
  stored(headOf(2, 1));
  tell(headOf(2, 1));
  expect(await reading).toEqual([]);
  expect(await reader.next(ample)).toEqual([]);
  engine.isAway = false;
  const read: unknown[] = [];
  await eventually(async () => {
    read.push(...(await idsOf(reader.next(ample))));
    expect(read).toEqual([
      ["message-1", false],
      ["message-2", false],
    ]);
  });
});

test("what the stream of receipts tells late opens nothing that was closed here", async () => {
  const { view, opened, tell } = openGateway();
  const head = headOf(1);
  tell(head);
  view.apply(bob.peerId, 1, { register: registerOf(head, LEASED), revision: 10 });
  view.apply(bob.peerId, 1, { register: registerOf(head, CONFIRMED), revision: 20 });
  expect(view.hear(bob.peerId, 1, { register: registerOf(head, LEASED), revision: 10 })).toBe(true);
  expect(view.hear(bob.peerId, 1, { register: registerOf(head, CONFIRMED), revision: 20 })).toBe(
    true,
  );
  view.reopen(1, head);
  expect(view.find(bob.peerId, 1)).toBeUndefined();
  expect(opened).toEqual([]);
});

test("a dead letter that is redriven and over again before its message is read, is not opened", async () => {
  const { view, opened, tell } = openGateway();
  const head = headOf(1);
  tell(head);
  view.hear(bob.peerId, 1, { register: registerOf(head, ReceiptState.DEAD_LETTERED), revision: 1 });
  expect(view.hear(bob.peerId, 1, { register: firstRegister(head), revision: 2 })).toBe(false);
  view.hear(bob.peerId, 1, { register: registerOf(head, CONFIRMED), revision: 3 });
  view.reopen(1, head);
  expect(view.find(bob.peerId, 1)).toBeUndefined();
  expect(opened).toEqual([]);
});
