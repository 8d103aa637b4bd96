import { once } from "node:events";
import { expect, test } from "vitest";
import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy, ReceiptState, type Receipt } from "../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import type { Store } from "../../src/broker/store/store.js";
import type { Line, LineState } from "../../src/client/line.js";
import { systemClock } from "../../src/clock.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { eventually, startTestBroker, type TestPeer } from "../support/test-broker.js";
import { openTestLine } from "./test-line.js";

test("shows what waits, in order, confirms it and ends", async () => {
  await using broker = await startTestBroker();
  await using ci = await openTestLine(broker.address, "ci");
  const api = await broker.join({ name: "api" });
  const ids = [await send(api, "one"), await send(api, "two")];
  expect(await readAll(ci.line)).toEqual(["one", "two"]);
  for (const id of ids) {
    expect(await receiptOf(api, id)).toMatchObject({
      state: ReceiptState.CONFIRMED,
      confirmedBy: ConfirmedBy.EXPLICIT_ACK,
    });
  }
  expect(await readAll(ci.line)).toEqual([]);
});

test("a loop that does not wait gets what was accepted before it began, however quiet its line was", async () => {
  await using broker = await startTestBroker();
  const api = await broker.join({ name: "api" });
  const texts = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      await using quiet = await openTestLine(broker.address, `quiet-${index}`);
      expect(await readAll(quiet.line)).toEqual([]);
      const { results } = await api.client.sendMessage({ to: [`quiet-${index}`], text: "now" });
      expect(results[0]?.error).toBeUndefined();
      return await readAll(quiet.line);
    }),
  );
  expect(texts.flat()).toEqual(Array.from({ length: 20 }, () => "now"));
});

test("shows what comes, presented while the body runs, and confirmed when it is left", async () => {
  await using broker = await startTestBroker();
  await using ci = await openTestLine(broker.address, "ci");
  const api = await broker.join({ name: "api" });
  const stop = new AbortController();
  const texts: string[] = [];
  const loop = (async () => {
    for await (const message of ci.line.messages({ signal: stop.signal })) {
      texts.push(message.text);
      const { id } = message;
      if (texts.length === 1) await standsAt(api, id, ReceiptState.PRESENTED);
    }
  })();
  let count = 0;
  await eventually(async () => {
    const { results } = await api.client.sendMessage({ to: ["ci"], text: `message ${count++}` });
    expect(results[0]?.reach).toBe(Reach.WAKES);
  });
  const id = await send(api, "last");
  await standsAt(api, id, ReceiptState.CONFIRMED);
  expect(texts.at(-1)).toBe("last");
  stop.abort();
  await loop;
});

test("a loop that does not wait gets what an earlier process presented and did not finish", async () => {
  await using broker = await startTestBroker();
  const api = await broker.join({ name: "api" });
  const first = await openTestLine(broker.address, "ci");
  const id = await send(api, "only half done");
  for await (const message of first.line.messages({ waits: false })) {
    await standsAt(api, message.id, ReceiptState.PRESENTED);
    break;
  }
  expect(await receiptOf(api, id)).toMatchObject({ state: ReceiptState.PRESENTED });
  await first[Symbol.asyncDispose]();

  await using second = await openTestLine(broker.address, "ci", { secret: first.secret });
  const texts: string[] = [];
  for await (const { text, redelivered } of second.line.messages({ waits: false })) {
    texts.push(`${text} ${redelivered}`);
  }
  expect(texts).toEqual(["only half done true"]);
});

test("a loop that does not wait gets that also from a broker that is slow to hand it over", async () => {
  const gate = new AbortController();
  const store = storeBehind(gate.signal);
  await using broker = await startTestBroker({ store });
  const api = await broker.join({ name: "api" });
  const first = await broker.join({ name: "ci" });
  const stream = first.subscribe();
  await stream.expect("started");
  const id = await send(api, "only half done");
  gate.abort();
  const { deliveryId } = await stream.expect("delivery");
  await first.client.ackMessages({ acks: [{ deliveryId, outcome: Outcome.PRESENTED }] });
  first.cut();

  const again = new AbortController();
  store.gate = again.signal;
  await using ci = await openTestLine(broker.address, "ci", { secret: first.secret });
  const reading = readAll(ci.line);
  // It has given up waiting for what is to come.
  await eventually(() => expect(ci.line.state).toBe("live"));
  again.abort();
  expect(await reading).toEqual(["only half done"]);
  await standsAt(api, id, ReceiptState.CONFIRMED);
});

test("several loops share the messages: each is shown by one", async () => {
  await using broker = await startTestBroker();
  await using ci = await openTestLine(broker.address, "ci");
  const api = await broker.join({ name: "api" });
  const stop = new AbortController();
  const texts: string[] = [];
  const loops = [1, 2, 3].map(async () => {
    for await (const { text } of ci.line.messages({ signal: stop.signal })) texts.push(text);
  });
  const sent = Array.from({ length: 20 }, (_, n) => `message ${n}`);
  for (const text of sent) await send(api, text);
  await eventually(async () => expect(texts.length).toBeGreaterThanOrEqual(sent.length));
  stop.abort();
  await Promise.all(loops);
  expect(texts.toSorted()).toEqual(sent.toSorted());
});

test("an answer settles its message, whatever becomes of the body", async () => {
  await using broker = await startTestBroker();
  await using ci = await openTestLine(broker.address, "ci");
  const api = await broker.join({ name: "api" });
  const id = await send(api, "is it green?", "build");
  for await (const message of ci.line.messages({ waits: false })) {
    const answer = await message.reply("yes");
    expect(answer).toMatchObject({ threadId: "build" });
    break;
  }
  expect(await receiptOf(api, id)).toMatchObject({ state: ReceiptState.ANSWERED });
  expect(await readAll(ci.line)).toEqual([]);
});

test("a throw returns the message, which comes again, marked; so does a break unless it was confirmed", async () => {
  await using broker = await startTestBroker();
  await using ci = await openTestLine(broker.address, "ci");
  const api = await broker.join({ name: "api" });
  const id = await send(api, "one");
  const failing = async (): Promise<void> => {
    for await (const message of ci.line.messages()) throw new Error(`cannot do ${message.text}`);
  };
  await expect(failing()).rejects.toThrow("cannot do one");
  await eventually(async () => expect((await receiptOf(api, id))?.attempts).toBe(1));
  const marks: boolean[] = [];
  for await (const message of ci.line.messages()) {
    marks.push(message.redelivered);
    if (marks.length === 1) break;
  }
  for await (const message of ci.line.messages()) {
    marks.push(message.redelivered);
    message.confirm();
    break;
  }
  expect(marks).toEqual([true, true]);
  await standsAt(api, id, ReceiptState.CONFIRMED);
}, 20_000);

test("a loop that does not wait ends before a returned message is due again; a later one gets it", async () => {
  const clock = new StoppedClock();
  await using broker = await startTestBroker({ clock, store: openMemoryStore({ clock }) });
  await using ci = await openTestLine(broker.address, "ci");
  const api = await broker.join({ name: "api" });
  const id = await send(api, "one");
  const failing = async (): Promise<void> => {
    for await (const message of ci.line.messages({ waits: false })) throw new Error(message.text);
  };
  await expect(failing()).rejects.toThrow("one");
  await eventually(async () => expect((await receiptOf(api, id))?.attempts).toBe(1));
  expect(await readAll(ci.line)).toEqual([]);
  clock.advance(60_000);
  for await (const { text, redelivered } of ci.line.messages()) {
    expect({ text, redelivered }).toEqual({ text: "one", redelivered: true });
    break;
  }
});

test("a message that is in its body when the line is lost is confirmed, and not shown again", async () => {
  await using broker = await startTestBroker();
  const states: LineState[] = [];
  const onState = (state: LineState): void => void states.push(state);
  await using ci = await openTestLine(broker.address, "ci", { onState });
  const api = await broker.join({ name: "api" });
  const id = await send(api, "one");
  const texts: string[] = [];
  for await (const message of ci.line.messages({ waits: false })) {
    texts.push(message.text);
    states.length = 0;
    ci.cut();
    // It may be live again before anybody looks.
    await eventually(() => expect(states).toContain("attaching"));
  }
  expect(texts).toEqual(["one"]);
  await standsAt(api, id, ReceiptState.CONFIRMED);
  expect(await receiptOf(api, id)).toMatchObject({ attempts: 0 });
});

test("what a client held when it was killed comes to its next one, marked", async () => {
  await using broker = await startTestBroker();
  const api = await broker.join({ name: "api" });
  const first = await broker.join({ name: "ci" });
  const stream = first.subscribe();
  await stream.expect("started");
  const id = await send(api, "one");
  await stream.expect("delivery");
  first.cut();
  await using ci = await openTestLine(broker.address, "ci", { secret: first.secret });
  for await (const message of ci.line.messages({ waits: false })) {
    expect(message).toMatchObject({ id, text: "one", redelivered: true, from: { name: "api" } });
  }
  expect(await receiptOf(api, id)).toMatchObject({ state: ReceiptState.CONFIRMED });
});

test("a notice of the broker is shown as one, and not answered", async () => {
  const clock = new StoppedClock();
  await using broker = await startTestBroker({ clock, store: openMemoryStore({ clock }) });
  await using ci = await openTestLine(broker.address, "ci");
  const api = await broker.join({ name: "api" });
  const { messageId } = await ci.line.send("api", "soon", { expiresInMs: 1_000 });
  clock.advance(2_000);
  const stream = api.subscribe();
  await stream.expect("started");
  await standsAt(api, messageId, ReceiptState.EXPIRED);
  const answers: unknown[] = [];
  await eventually(async () => {
    // Notices are gathered for a while.
    clock.advance(10_000);
    for await (const message of ci.line.messages({ waits: false })) {
      expect(message).toMatchObject({ isNotice: true, from: { name: "@peerline" } });
      answers.push(await message.reply("seen"));
    }
    expect(answers).toEqual([undefined]);
  });
});

test("a newer reader of the same secret takes over, and the older loop says so", async () => {
  await using broker = await startTestBroker();
  await using ci = await openTestLine(broker.address, "ci");
  const older = expect(readOn(ci.line)).rejects.toMatchObject({ code: "SUPERSEDED" });
  await eventually(() => expect(ci.line.state).toBe("live"));
  await using again = await openTestLine(broker.address, "ci", { secret: ci.secret });
  expect(await readAll(again.line)).toEqual([]);
  await older;
  expect(ci.line.state).toBe("ended");
});

test("afterwards nobody takes the client for a reader", async () => {
  await using broker = await startTestBroker();
  const api = await broker.join({ name: "api" });
  const ci = await openTestLine(broker.address, "ci");
  await readAll(ci.line);
  await ci.line.close();
  let count = 0;
  await eventually(async () => {
    // The same text again would be refused for a while.
    const { results } = await api.client.sendMessage({ to: ["ci"], text: `hi ${count++}` });
    expect(results[0]?.reach).toBe(Reach.STORED);
  });
});

test("closing the line ends a loop that waits", async () => {
  await using broker = await startTestBroker();
  const ci = await openTestLine(broker.address, "ci");
  const loop = readOn(ci.line);
  await ci.line.close();
  expect(await loop).toBeUndefined();
});

/** A store that hands nothing out before its gate has opened. */
function storeBehind(gate: AbortSignal): Store & { gate: AbortSignal } {
  const store = openMemoryStore({ clock: systemClock });
  const behind: Store & { gate: AbortSignal } = {
    ...store,
    gate,
    queues: {
      ...store.queues,
      open: (of, listener) => {
        const reader = store.queues.open(of, listener);
        return {
          next: async (credit) => {
            if (!behind.gate.aborted) await once(behind.gate, "abort");
            return reader.next(credit);
          },
          backlog: () => reader.backlog(),
          giveBack: (seq, delayMs) => reader.giveBack(seq, delayMs),
          close: () => reader.close(),
        };
      },
    },
  };
  return behind;
}

async function readOn(line: Line): Promise<void> {
  for await (const message of line.messages()) expect(message.text).not.toBe("");
}

async function readAll(line: Line): Promise<string[]> {
  const texts: string[] = [];
  for await (const message of line.messages({ waits: false })) texts.push(message.text);
  return texts;
}

async function send(from: TestPeer, text: string, threadId = ""): Promise<string> {
  return (await from.client.sendMessage({ to: ["ci"], text, threadId })).messageId;
}

async function receiptOf(sender: TestPeer, messageId: string): Promise<Receipt | undefined> {
  return (await sender.client.getMessage({ messageId })).record?.receipts[0];
}

async function standsAt(sender: TestPeer, messageId: string, state: ReceiptState): Promise<void> {
  await eventually(async () => expect((await receiptOf(sender, messageId))?.state).toBe(state));
}
