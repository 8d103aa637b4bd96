import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { Store } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import { storeLimits } from "../../../src/store/limits.js";
import { openNatsStore } from "../../../src/store/nats/nats-store.js";
import { Bell, silent } from "../../contract/store/bell.js";
import {
  accepted,
  alice,
  ample,
  bob,
  carol,
  draft,
  send,
  sendFirst,
  texts,
} from "../../contract/store/drafts.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { startNats, type NatsServer } from "../../support/nats-server.js";
import { eventually } from "../../support/test-broker.js";
import { optionsFor } from "./open-link.js";
import { newPrefix } from "./peers/open-peers.js";

const { QUEUED, LEASED, PRESENTED, CONFIRMED, DEAD_LETTERED } = ReceiptState;

async function countAt({ queues }: Store): Promise<number> {
  return (await queues.countWaiting([bob.peerId])).get(bob.peerId) ?? 0;
}

describe.skipIf(isNatsMissing())("two stores over the same streams", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function openTwo(): Promise<[Store, Store]> {
    const prefix = newPrefix();
    const open = async (): Promise<Store> => {
      const store = await openNatsStore({
        nats: optionsFor(server, { prefix }),
        version: "1.2.3",
        clock: systemClock,
        limits: { ...storeLimits, maxMailBytes: 16 * 1024 * 1024 },
        tell: (words) => expect.fail(words),
      });
      onTestFinished(() => store[Symbol.asyncDispose]());
      return store;
    };
    return [await open(), await open()];
  }

  test("what one accepts wakes a reader of the other, in the order of each sender", async () => {
    const [here, there] = await openTwo();
    const bell = new Bell();
    const reader = there.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
    expect(await reader.next(ample)).toEqual([]);
    const sent = Array.from({ length: 40 }, (_, index) => String(index));
    await Promise.all(sent.map((text) => send(here, { text })));
    const read: string[] = [];
    while (read.length < sent.length) {
      const messages = await reader.next({ ...ample, maxMessages: 7 });
      expect(messages.every(({ redelivered }) => !redelivered)).toBe(true);
      read.push(...texts(messages));
      if (messages.length === 0) await bell.heard();
    }
    expect(read).toEqual(sent);
  });

  test("a message that is sent by both at once is stored once", async () => {
    const [here, there] = await openTwo();
    for (let round = 0; round < 20; round++) {
      const sent = draft({ text: String(round) });
      const results = (
        await Promise.all([here, there].map((store) => store.queues.enqueue(sent, sent.to)))
      )
        .flat()
        .map(accepted);
      expect(results.filter(({ duplicate }) => duplicate)).toHaveLength(1);
      expect(new Set(results.map(({ receipt }) => receipt.seq)).size).toBe(1);
    }
  });

  test("a message id that one has with other content is refused by the other", async () => {
    const [here, there] = await openTwo();
    const messageId = await send(here, { text: "one" });
    await eventually(async () => expect(await countAt(there)).toBe(1));
    const reused = draft({ messageId, text: "two", to: [bob, carol] });
    for (const result of await there.queues.enqueue(reused, reused.to)) {
      expect(result).toMatchObject({ ok: false, error: { code: "MESSAGE_ID_REUSED" } });
    }
  });

  test("a reader that takes over offers again what the other handed out, marked", async () => {
    const [here, there] = await openTwo();
    await send(here, { text: "leased" });
    const first = here.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
    expect(texts(await first.next(ample))).toEqual(["leased"]);
    await send(here, { text: "leased with its acceptance" });
    await send(here, { text: "to come", from: carol });
    const second = there.queues.open({ peerId: bob.peerId, epoch: 2 }, silent);
    await eventually(async () => expect(await countAt(there)).toBe(3));
    const messages = await second.next(ample);
    expect(messages.map(({ redelivered }) => redelivered)).toEqual([true, true, true]);
    expect(new Set(texts(messages))).toEqual(
      new Set(["leased", "leased with its acceptance", "to come"]),
    );
  });

  test("a reader that takes over is offered nothing that was confirmed before", async () => {
    const [here, there] = await openTwo();
    for (let epoch = 1; epoch <= 40; epoch += 2) {
      const { seq } = await sendFirst(here, { text: String(epoch) });
      const first = here.queues.open({ peerId: bob.peerId, epoch }, silent);
      await eventually(async () => expect(await first.next(ample)).toHaveLength(1));
      await here.queues.advance(bob.peerId, seq, { state: CONFIRMED });
      const second = there.queues.open({ peerId: bob.peerId, epoch: epoch + 1 }, silent);
      expect(await second.next(ample)).toEqual([]);
    }
  });

  test("a reader of an earlier epoch gets nothing that the later one has", async () => {
    const [here, there] = await openTwo();
    const stale = here.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
    const present = there.queues.open({ peerId: bob.peerId, epoch: 2 }, silent);
    const { seq } = await sendFirst(there, { text: "1" });
    await eventually(async () => expect(texts(await present.next(ample))).toEqual(["1"]));
    await eventually(async () => {
      expect((await here.history.getReceipt(bob.peerId, seq))?.receipt.state).toBe(LEASED);
    });
    expect(await stale.next(ample)).toEqual([]);
    await send(there, { text: "2" });
    await eventually(async () => expect(await countAt(here)).toBe(2));
    expect(await stale.next(ample)).toEqual([]);
  });

  test("a receipt goes up one ladder, whoever moves it", async () => {
    const [here, there] = await openTwo();
    const { peerId, seq } = await sendFirst(here, { text: "1" });
    await eventually(async () => expect(await countAt(there)).toBe(1));
    const states = [LEASED, PRESENTED, CONFIRMED, LEASED, PRESENTED, CONFIRMED];
    const moves = await Promise.all(
      states.map((state, index) =>
        (index % 2 === 0 ? here : there).queues.advance(peerId, seq, { state }),
      ),
    );
    const moved = moves.filter((one) => one.moved).map(({ receipt }) => receipt.state);
    expect(new Set(moved).size).toBe(moved.length);
    for (const store of [here, there]) {
      const receipt = (await store.history.getReceipt(peerId, seq))?.receipt;
      expect(receipt?.state).toBe(CONFIRMED);
      await eventually(async () => expect(await countAt(store)).toBe(0));
    }
  });

  test("what one purges, drops or redrives is so for the other, and its readers", async () => {
    const [here, there] = await openTwo();
    const purged = await sendFirst(here, { text: "purged" });
    const dead = await sendFirst(here, { text: "dead", from: carol });
    const dropped = await sendFirst(here, { text: "dropped", from: carol });
    const reader = there.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
    await eventually(async () => expect(await countAt(there)).toBe(3));
    await here.history.purge({ from: alice.peerId, waiting: true, after: 0, reason: "gone" });
    for (const { seq } of [dead, dropped]) {
      await here.queues.advance(bob.peerId, seq, { state: DEAD_LETTERED });
    }
    await here.queues.drop(bob.peerId, dropped.seq);
    await eventually(async () => expect(await countAt(there)).toBe(0));
    expect(await reader.next(ample)).toEqual([]);
    expect(await there.history.getReceipt(bob.peerId, purged.seq)).toBeUndefined();
    expect(await there.history.getReceipt(bob.peerId, dropped.seq)).toBeUndefined();
    const { receipt } = await here.queues.redrive(bob.peerId, dead.seq);
    expect(receipt.state).toBe(QUEUED);
    const again = await eventually(async () => {
      const messages = await reader.next(ample);
      expect(messages).toHaveLength(1);
      return messages;
    });
    expect(again.map(({ message, redelivered }) => [message.text, redelivered])).toEqual([
      ["dead", true],
    ]);
  });

  test("knows the same of all mail as one that is opened later", async () => {
    const [here, there] = await openTwo();
    for (let index = 0; index < 30; index++) {
      const { peerId, seq } = await sendFirst(index % 2 === 0 ? here : there, {
        text: String(index),
        from: index % 3 === 0 ? carol : alice,
      });
      const change = [undefined, LEASED, PRESENTED, CONFIRMED, DEAD_LETTERED][index % 5];
      if (change !== undefined) await there.queues.advance(peerId, seq, { state: change });
    }
    await eventually(async () => expect(await countAt(here)).toBe(await countAt(there)));
    const opens = await Promise.all(
      [here, there].map((store) => store.queues.listOpen({ peerId: bob.peerId, limit: 100 })),
    );
    expect(opens[0]).toEqual(opens[1]);
    expect(opens[0]).toHaveLength(18);
    expect((await here.health()).bytes).toBe((await there.health()).bytes);
  });
});
