import { describe, expect, test } from "vitest";
import { Outcome, type Delivery } from "../../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState, type Receipt } from "../../../gen/peerline/v1/message_pb.js";
import { maxDeliveryAttempts } from "../../../src/broker/limits.js";
import {
  eventually,
  newSecret,
  operatorToken,
  reasonOf,
  type TestBroker,
  type TestPeer,
  type TestStream,
} from "../../support/test-broker.js";
import { sleep } from "../../../src/clock.js";
import { startGateways, type SharedTechnology } from "./two-gateways.js";

async function receiptOf(gateway: TestBroker, messageId: string): Promise<Receipt | undefined> {
  const { record } = await gateway.client(operatorToken).getMessage({ messageId });
  return record?.receipts[0];
}

async function stateOf(gateway: TestBroker, messageId: string): Promise<string> {
  return ReceiptState[(await receiptOf(gateway, messageId))?.state ?? 0] ?? "";
}

/** Sends a message once the broker knows the recipient, and gives its id. */
async function send(from: TestPeer, to: string, text: string, seconds = 0): Promise<string> {
  const expiry = seconds === 0 ? {} : { expiresIn: { seconds: BigInt(seconds) } };
  const request = { to: [to], text, ...expiry };
  return eventually(async () => (await from.client.sendMessage(request)).messageId);
}

async function report(peer: TestPeer, { deliveryId }: Delivery, outcome: Outcome): Promise<void> {
  const { results } = await peer.client.ackMessages({ acks: [{ deliveryId, outcome }] });
  expect(results[0]?.error).toBeUndefined();
}

async function open(peer: TestPeer, maxMessages = 0): Promise<TestStream> {
  const stream = peer.subscribe({ maxMessages });
  await stream.expect("started");
  return stream;
}

/** The notices that a peer has been sent, whatever became of them. */
async function noticesTo(gateway: TestBroker, peer: string): Promise<string[]> {
  const { records } = await gateway.client(operatorToken).listMessages({ peer });
  return records
    .filter(({ message }) => message?.from?.name === "@peerline")
    .map(({ message }) => message?.text ?? "");
}

export function defineMail(technology: SharedTechnology): void {
  describe("mail over two brokers", () => {
    test("reaches a reader at the other, in order, and what becomes of it is told back", async () => {
      const { one, two } = await startGateways(technology);
      const api = await one.join({ name: "api" });
      const web = await two.join({ name: "web" });
      const stream = await open(web);
      const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`);
      const ids = [];
      for (const text of texts) ids.push(await send(api, "web", text));
      for (const text of texts) {
        const delivery = await stream.expect("delivery");
        expect(delivery).toMatchObject({ redelivered: false, attempts: 0, message: { text } });
        await report(web, delivery, Outcome.CONFIRMED);
      }
      for (const id of ids) {
        await eventually(async () => expect(await stateOf(one, id)).toBe("CONFIRMED"));
      }
      await stream.cancel();
    });

    test("that an operator removes at one ends its lease at the other, whose credit comes back", async () => {
      const { one, two } = await startGateways(technology);
      const [api, spam] = [await one.join({ name: "api" }), await one.join({ name: "spam" })];
      const stream = await open(api, 1);
      await send(spam, "api", "held");
      expect((await stream.expect("delivery")).message?.text).toBe("held");
      const operator = two.client(operatorToken);
      await eventually(async () => {
        const { removedDeliveries } = await operator.purgeMessages({ from: "spam" });
        expect(removedDeliveries).toBe(1n);
      });
      await send(spam, "api", "next");
      let event = await stream.next();
      // What waits may be told before the lease has ended.
      while (event.case === "backlog") event = await stream.next();
      expect(event.case === "delivery" && event.value.message?.text).toBe("next");
      await stream.cancel();
    });

    test("that was rejected at one is redriven at the other, and delivered where its reader is", async () => {
      const { one, two } = await startGateways(technology);
      const api = await one.join({ name: "api" });
      const web = await two.join({ name: "web" });
      const stream = await open(api);
      const messageId = await send(web, "api", "again");
      await report(api, await stream.expect("delivery"), Outcome.REJECTED);
      const operator = two.client(operatorToken);
      await eventually(() => operator.redriveMessage({ messageId }));
      const again = await stream.expect("delivery");
      expect(again).toMatchObject({ redelivered: true, message: { text: "again" } });
      await report(api, again, Outcome.CONFIRMED);
      expect(await eventually(() => noticesTo(one, "web"))).toHaveLength(0);
      await stream.cancel();
    });

    test("is a dead letter once so many instances were shown it and none confirmed it, wherever they were", async () => {
      const { one, two } = await startGateways(technology);
      const web = await one.join({ name: "web" });
      const secret = newSecret();
      const conversationId = "c:1";
      const first = await one.join({ secret, name: "api", instanceId: "0", conversationId });
      const poison = await send(web, "api", "poison");
      let peer = first;
      for (let attempt = 0; attempt < maxDeliveryAttempts; attempt++) {
        const stream = await open(peer);
        const delivery = await stream.expect("delivery");
        expect(delivery.attempts).toBe(attempt);
        await report(peer, delivery, Outcome.PRESENTED);
        // In the end the same broker twice: neither is counted otherwise.
        const next = attempt % 2 === 0 && attempt < maxDeliveryAttempts - 1 ? two : one;
        const instanceId = `${attempt + 1}`;
        peer = await next.join({ secret, instanceId, conversationId });
      }
      const stream = await open(peer);
      await eventually(async () => expect(await stateOf(one, poison)).toBe("DEAD_LETTERED"));
      const receipt = await receiptOf(two, poison);
      expect(receipt).toMatchObject({ attempts: maxDeliveryAttempts });
      expect(receipt?.reason).toContain("never confirmed");
      await stream.cancel();
    });

    test("is no failed attempt where the instance that was shown it goes to the other broker and back", async () => {
      const { one, two } = await startGateways(technology);
      const web = await one.join({ name: "web" });
      const secret = newSecret();
      const facts = { secret, name: "api", instanceId: "1" };
      let peer = await one.join(facts);
      const messageId = await send(web, "api", "long work");
      for (const next of [two, one, one, two, two, one]) {
        const stream = await open(peer);
        const delivery = await stream.expect("delivery");
        expect(delivery.attempts).toBe(0);
        await report(peer, delivery, Outcome.PRESENTED);
        // Another stream of the same session: it is offered again, and not counted either.
        await stream.cancel();
        const again = await open(peer);
        expect((await again.expect("delivery")).attempts).toBe(0);
        peer.cut();
        peer = await next.join(facts);
      }
      expect(await stateOf(two, messageId)).toBe("PRESENTED");
    });
  });

  describe("what ends once, with two brokers", () => {
    test("expires once, and is told of once, also where the broker that accepted it is gone", async () => {
      const { one, two } = await startGateways(technology);
      const [api, web] = [await one.join({ name: "api" }), await two.join({ name: "web" })];
      await api.client.unregister({});
      const ids = [await send(web, "api", "one", 2)];
      const other = await one.join({ name: "other" });
      ids.push(await send(other, "api", "two", 2));
      await one[Symbol.asyncDispose]();
      for (const id of ids) {
        await eventually(async () => expect(await stateOf(two, id)).toBe("EXPIRED"));
      }
      await eventually(async () => expect(await noticesTo(two, "web")).toHaveLength(1));
      await eventually(async () => expect(await noticesTo(two, "other")).toHaveLength(1));
    });

    test("is told of in one notice by the one that ended it", async () => {
      const { one, two } = await startGateways(technology);
      const [api, web] = [await one.join({ name: "api" }), await two.join({ name: "web" })];
      const expired = await send(web, "api", "nobody reads it", 1);
      await eventually(async () => expect(await stateOf(two, expired)).toBe("EXPIRED"));
      const stream = await open(api);
      const rejected = await send(web, "api", "not mine");
      const delivery = await stream.expect("delivery");
      await report(api, delivery, Outcome.REJECTED);
      // Both brokers have heard of both by the time that all notices are there.
      await eventually(async () => {
        const told = (await noticesTo(one, "web")).join("\n");
        for (const id of [expired, rejected]) expect(told).toContain(id.slice(-8));
      });
      await sleep(1500);
      const told = (await noticesTo(one, "web")).join("\n");
      for (const id of [expired, rejected]) expect(told.split(id.slice(-8))).toHaveLength(2);
      expect([...one.warnings, ...two.warnings]).toEqual([]);
      await stream.cancel();
    });

    test("is left to the session that holds it unread, at whichever broker that is", async () => {
      const { one, two } = await startGateways(technology);
      const [api, web] = [await one.join({ name: "api" }), await two.join({ name: "web" })];
      const stream = await open(api);
      await eventually(async () => {
        const { peer } = await two.client(operatorToken).getPeer({ peer: "api" });
        expect(peer?.online).toBe(true);
      });
      const gone = await two.join({ name: "gone" });
      await gone.client.unregister({});
      const other = await send(web, "gone", "expires", 1);
      const held = await send(web, "api", "held", 1);
      const delivery = await stream.expect("delivery");
      await eventually(async () => expect(await stateOf(two, other)).toBe("EXPIRED"));
      // Both brokers have looked at it by then.
      await sleep(500);
      expect(await stateOf(two, held)).toBe("LEASED");
      await report(api, delivery, Outcome.EXPIRED);
      await eventually(async () => expect(await stateOf(two, held)).toBe("EXPIRED"));
      await stream.cancel();
    });
  });

  describe("who watches at one broker what happens at another", () => {
    test("sees each message, and each of its moves, once", async () => {
      const { one, two } = await startGateways(technology);
      const [api, web] = [await one.join({ name: "api" }), await one.join({ name: "web" })];
      const leaves = new AbortController();
      const watch = two
        .client(operatorToken)
        .watchMessages({}, { signal: leaves.signal })
        [Symbol.asyncIterator]();
      await watch.next();
      const stream = await open(web);
      const id = await send(api, "web", "seen");
      await report(web, await stream.expect("delivery"), Outcome.CONFIRMED);
      const last = await send(api, "web", "last");
      const seen: string[] = [];
      // There is no order of what is told of two messages.
      const wanted = [`CONFIRMED ${id}`, `accepted ${last}`];
      while (!wanted.every((words) => seen.includes(words))) {
        const { event } = (await watch.next()).value;
        if (event.case === "accepted") seen.push(`accepted ${event.value.message?.messageId}`);
        if (event.case === "receiptMoved")
          seen.push(`${ReceiptState[event.value.receipt?.state ?? 0]} ${event.value.messageId}`);
      }
      const ofOne = seen.filter((words) => words.endsWith(id));
      expect(ofOne[0]).toBe(`accepted ${id}`);
      expect(new Set(ofOne).size).toBe(ofOne.length);
      leaves.abort();
      await stream.cancel();
    });

    test("sees each peer come, change, go offline and go, once", async () => {
      const { one, two } = await startGateways(technology);
      const leaves = new AbortController();
      const watch = two
        .client(operatorToken)
        .watchPeers({}, { signal: leaves.signal })
        [Symbol.asyncIterator]();
      expect((await watch.next()).value.event.case).toBe("synced");
      const seen: string[] = [];
      const seesUntil = async (end: string): Promise<void> => {
        while (!(seen.at(-1) ?? "").endsWith(end)) {
          const { event } = (await watch.next()).value;
          if (event.case === "removedPeerId") seen.push("removed");
          else if (event.case === "peer")
            seen.push(
              `${event.value.profile?.summary} ${event.value.online ? "online" : "offline"}`,
            );
        }
      };
      const api = await one.join({ name: "api", profile: { summary: "new" } });
      await seesUntil("offline");
      const stream = await open(api);
      await seesUntil("new online");
      await api.client.updatePeer({ summary: "changed" });
      await seesUntil("changed online");
      await stream.cancel();
      await api.client.unregister({});
      await seesUntil("changed offline");
      await one.client(operatorToken).deletePeer({ peer: "api" });
      await seesUntil("removed");
      const isOnline = seen.map((words) => words.split(" ").at(-1));
      const changes = isOnline.filter((words, index) => words !== isOnline[index - 1]);
      expect(changes).toEqual(["offline", "online", "offline", "removed"]);
      leaves.abort();
      expect(await reasonOf(api.client.getPeer({}))).toBe("TOKEN_INVALID");
    });
  });
}
