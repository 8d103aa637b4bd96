import { expect, test } from "vitest";
import { ReceiptState, type Message } from "../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import type { Person } from "../../src/cli/person.js";
import { readMail } from "../../src/cli/read-mail.js";
import {
  eventually,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

test("shows what waits, in order, confirms it and ends", async () => {
  await using broker = await startTestBroker();
  const { ada, api } = await adaAndApi(broker);
  const ids = [await send(api, "one"), await send(api, "two")];
  const texts: string[] = [];
  const waiting = await readMail(personOf(ada), {
    wait: false,
    show: async ({ text }) => void texts.push(text),
    shown: new Set(),
  });
  expect([waiting, texts]).toEqual([0, ["one", "two"]]);
  for (const id of ids) expect(await stateOf(api, id)).toBe(ReceiptState.CONFIRMED);
});

test("ends at once when nothing waits", async () => {
  await using broker = await startTestBroker();
  const { ada } = await adaAndApi(broker);
  const reading = readMail(personOf(ada), { wait: false, show: refuse, shown: new Set() });
  expect(await reading).toBe(0);
});

test("afterwards nobody takes the person for a reader", async () => {
  await using broker = await startTestBroker();
  const { ada, api } = await adaAndApi(broker);
  await readMail(personOf(ada), { wait: false, show: ignore, shown: new Set() });
  await eventually(async () => {
    const { results } = await api.client.sendMessage({ to: ["ada"], text: "hi" });
    expect(results[0]?.reach).toBe(Reach.STORED);
  }, 1000);
});

test("a message that could not be shown is not confirmed and comes again", async () => {
  await using broker = await startTestBroker();
  const { ada, api } = await adaAndApi(broker);
  const id = await send(api, "one");
  const failing = readMail(personOf(ada), { wait: false, show: refuse, shown: new Set() });
  await expect(failing).rejects.toThrow("the output is closed");
  expect(await stateOf(api, id)).toBe(ReceiptState.LEASED);
  const texts: string[] = [];
  await readMail(personOf(ada), {
    wait: false,
    show: async ({ text }) => void texts.push(text),
    shown: new Set(),
  });
  expect(texts).toEqual(["one"]);
});

test("a message shown before a lost connection is confirmed and not shown twice", async () => {
  await using broker = await startTestBroker();
  const { ada, api } = await adaAndApi(broker);
  const id = await send(api, "one");
  const shown = new Set<string>();
  const texts: string[] = [];
  const show = async ({ text }: Message) => {
    texts.push(text);
    if (texts.length === 1) ada.cut();
  };
  const lost = readMail(personOf(ada), { wait: false, show, shown });
  await expect(lost).rejects.toMatchObject({ name: "RpcError" });
  expect([await stateOf(api, id), shown.size]).toEqual([ReceiptState.LEASED, 1]);

  const again = await broker.join({ secret: ada.secret, name: "ada" });
  expect(await readMail(personOf(again), { wait: false, show, shown })).toBe(0);
  expect([await stateOf(api, id), shown.size]).toEqual([ReceiptState.CONFIRMED, 0]);
  expect(texts).toEqual(["one"]);
});

test("with wait it shows what comes until its signal aborts, and confirms that too", async () => {
  await using broker = await startTestBroker();
  const { ada, api } = await adaAndApi(broker);
  const texts: string[] = [];
  const interruption = new AbortController();
  const reading = readMail(personOf(ada), {
    wait: true,
    show: async ({ text }) => void texts.push(text),
    shown: new Set(),
    signal: interruption.signal,
  });
  await send(api, "one");
  await eventually(() => expect(texts).toEqual(["one"]));
  const id = await send(api, "two");
  await eventually(() => expect(texts).toEqual(["one", "two"]));
  interruption.abort();
  expect(await reading).toBe(0);
  expect(await stateOf(api, id)).toBe(ReceiptState.CONFIRMED);
});

test("a newer reader of the same person takes over", async () => {
  await using broker = await startTestBroker();
  const { ada } = await adaAndApi(broker);
  const older = readMail(personOf(ada), { wait: true, show: ignore, shown: new Set() });
  const superseded = expect(older).rejects.toMatchObject({ code: "SUPERSEDED" });
  await eventually(async () => {
    const { peers } = await ada.client.listPeers({ onlineOnly: true });
    expect(peers).toHaveLength(1);
  });
  await readMail(personOf(ada), { wait: false, show: ignore, shown: new Set() });
  await superseded;
});

test("gives up on mail that was counted and does not come, and says how much", async () => {
  await using broker = await startTestBroker();
  const { ada, api } = await adaAndApi(broker);
  await send(api, "one");
  const person: Person = { ...personOf(ada), countWaiting: async () => 1 };
  expect(await readMail(person, { wait: false, show: ignore, shown: new Set() })).toBe(1);
});

async function ignore(): Promise<void> {}

async function refuse(): Promise<void> {
  throw new Error("the output is closed");
}

async function adaAndApi(broker: TestBroker): Promise<{ ada: TestPeer; api: TestPeer }> {
  return { ada: await broker.join({ name: "ada" }), api: await broker.join({ name: "api" }) };
}

/** A person whose session was opened by the test. */
function personOf(peer: TestPeer): Person {
  const registered = peer.registered.peer;
  if (registered === undefined) throw new Error("no peer");
  return {
    client: peer.client,
    peer: registered,
    async countWaiting() {
      const again = await peer.client.register({ secret: peer.secret, name: peer.name });
      return Number(again.peer?.waitingMessages);
    },
    async leave() {
      await peer.client.unregister({});
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function send(from: TestPeer, text: string): Promise<string> {
  return (await from.client.sendMessage({ to: ["ada"], text })).messageId;
}

async function stateOf(sender: TestPeer, messageId: string): Promise<ReceiptState | undefined> {
  const { record } = await sender.client.getMessage({ messageId });
  return record?.receipts[0]?.state;
}
