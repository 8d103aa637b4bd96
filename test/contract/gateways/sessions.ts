import { describe, expect, test } from "vitest";
import { Closing_Reason } from "../../../gen/peerline/v1/broker_service_pb.js";
import { PeerKind, Reach } from "../../../gen/peerline/v1/peer_pb.js";
import {
  eventually,
  newSecret,
  operatorToken,
  reasonIn,
  reasonOf,
  type TestBroker,
  type TestPeer,
} from "../../support/test-broker.js";
import { StoppedClock } from "../../support/stopped-clock.js";
import { startGateways, type SharedTechnology } from "./two-gateways.js";

const agent = PeerKind.AGENT;

/** A peer as somebody at this broker sees it. */
async function seenAt(gateway: TestBroker, name: string) {
  const { peers } = await gateway.client(operatorToken).listPeers({ pageSize: 1000 });
  return peers.find((peer) => peer.name === name);
}

/** Waits until a broker knows of the peer's session, which has a stream. */
async function isHeardOnline(gateway: TestBroker, name: string): Promise<void> {
  await eventually(async () => expect((await seenAt(gateway, name))?.online).toBe(true));
}

/** A peer that its owner left, and that another conversation tries. `facts` serve the owner to come back. */
async function borrow(gateway: TestBroker) {
  const facts = { name: "api", kind: agent };
  const owner = await gateway.join({ ...facts, conversationId: "c:1", instanceId: "1" });
  await owner.client.unregister({});
  const known = { ...facts, keyring: [owner.secret] };
  const borrower = await gateway.join({ ...known, conversationId: "c:2", instanceId: "2" });
  return { facts: known, borrower };
}

export function defineSessions(technology: SharedTechnology): void {
  describe("a session at one broker", () => {
    test("is online at each, and reached in the same way, until it ends", async () => {
      const { one, two } = await startGateways(technology);
      const api = await one.join({ name: "api" });
      const stream = api.subscribe({ reach: Reach.WAKES });
      await stream.expect("started");
      await eventually(async () =>
        expect(await seenAt(two, "api")).toMatchObject({ online: true, reach: Reach.WAKES }),
      );
      await api.client.updatePeer({ reach: Reach.NEXT_TURN });
      const web = await two.join({ name: "web" });
      await eventually(async () => {
        const { results } = await web.client.sendMessage({ to: ["api"], text: newSecret() });
        expect(results[0]?.reach).toBe(Reach.NEXT_TURN);
      });
      const { onlinePeers } = await two.client().getServerInfo({});
      expect(onlinePeers).toBe(1);
      await api.client.unregister({});
      await eventually(async () =>
        expect(await seenAt(two, "api")).toMatchObject({ online: false, reach: Reach.STORED }),
      );
    });

    test("keeps others from taking its peer at another, until its last connection is gone", async () => {
      const { one, two } = await startGateways(technology);
      const secret = newSecret();
      const api = await one.join({ secret, name: "api", instanceId: "1" });
      await api.subscribe().expect("started");
      await isHeardOnline(two, "api");
      expect(await reasonOf(two.join({ secret, instanceId: "2" }))).toBe("PEER_LIVE");
      const other = await two.join({ keyring: [secret], name: "api", instanceId: "3" });
      expect(other.name).toBe("api-2");
      api.cut();
      const next = await eventually(() => two.join({ secret, instanceId: "2" }));
      expect(next.registered).toMatchObject({ created: false, epoch: 2n });
      // The token was good until then.
      await eventually(async () =>
        expect(await reasonOf(tokenOf(one, api).getPeer({}))).toBe("TOKEN_INVALID"),
      );
    });

    test("ends as superseded when its conversation, or its instance, registers at another", async () => {
      const { one, two } = await startGateways(technology);
      const secret = newSecret();
      const first = await one.join({ secret, name: "api", instanceId: "1", conversationId: "c:1" });
      const stream = first.subscribe();
      await stream.expect("started");
      await isHeardOnline(two, "api");

      const resumed = await two.join({ secret, instanceId: "2", conversationId: "c:1" });
      expect(resumed.registered).toMatchObject({ created: false, epoch: 2n });
      expect((await stream.expect("closing")).reason).toBe(Closing_Reason.SUPERSEDED);
      expect(reasonIn(await stream.failure())).toBe("SUPERSEDED");
      const acks = [{ deliveryId: "x", outcome: 1 }];
      expect(await reasonOf(first.client.ackMessages({ acks }))).toBe("TOKEN_INVALID");

      const held = resumed.subscribe();
      await held.expect("started");
      const moved = await one.join({ secret, instanceId: "2", conversationId: "c:1" });
      expect(moved.registered).toMatchObject({ created: false, epoch: 3n });
      expect((await held.expect("closing")).reason).toBe(Closing_Reason.SUPERSEDED);
    });

    test("of a peer that it only tried ends as unregistered when the peer's conversation is back at another", async () => {
      const { one, two } = await startGateways(technology);
      const { facts, borrower } = await borrow(one);
      expect(borrower.registered).toMatchObject({ provisional: true, created: false });
      const stream = borrower.subscribe();
      await stream.expect("started");
      await isHeardOnline(two, "api");
      const back = await two.join({ ...facts, conversationId: "c:1", instanceId: "3" });
      expect(back.registered).toMatchObject({ created: false, provisional: false });
      expect((await stream.expect("closing")).reason).toBe(Closing_Reason.UNREGISTERED);
    });

    test("that has used its peer is left alone by another conversation of that peer", async () => {
      const { one, two } = await startGateways(technology);
      const { facts, borrower } = await borrow(one);
      await borrower.subscribe().expect("started");
      await isHeardOnline(two, "api");
      await borrower.client.updatePeer({ summary: "mine now" });
      await eventually(async () => {
        expect((await seenAt(two, "api"))?.profile?.summary).toBe("mine now");
      });
      const back = await two.join({ ...facts, conversationId: "c:1", instanceId: "3" });
      expect(back.name).toBe("api-2");
      expect(await reasonOf(borrower.client.getPeer({}))).toContain("no RpcError");
    });

    test("of an instance whose broker is gone, or out of its reach, is back at another at once", async () => {
      const { one, two, start } = await startGateways(technology);
      const secret = newSecret();
      const api = await one.join({ secret, name: "api", instanceId: "1" });
      await api.subscribe().expect("started");
      const web = await two.join({ name: "web" });
      await isHeardOnline(two, "api");
      await web.client.sendMessage({ to: ["api"], text: "hello" });
      const back = await two.join({ secret, instanceId: "1" });
      expect(back.registered).toMatchObject({ created: false, epoch: 2n });
      const stream = back.subscribe();
      await stream.expect("started");
      expect(await stream.expect("delivery")).toMatchObject({ redelivered: true, attempts: 0 });
      await one[Symbol.asyncDispose]();
      // Also where a broker that has just started knows only what the others say.
      const three = await start("three");
      const again = await three.join({ secret, instanceId: "1" });
      expect(again.registered).toMatchObject({ created: false, epoch: 3n });
    });

    test("of an instance that goes to another broker and comes straight back is a new one each time", async () => {
      const { one, two } = await startGateways(technology);
      const secret = newSecret();
      for (let epoch = 1n; epoch <= 6n; epoch++) {
        // Its former connections stay open, as behind a link that was cut.
        const peer = await (epoch % 2n === 1n ? one : two).join({ secret, instanceId: "1" });
        expect(peer.registered.epoch).toBe(epoch);
        await peer.client.updatePeer({ summary: `${epoch}` });
      }
    });

    test("keeps its peer for its instance for a moment when its broker stops", async () => {
      const { one, two } = await startGateways(technology);
      const secret = newSecret();
      const api = await one.join({ secret, name: "api", instanceId: "1" });
      await api.subscribe().expect("started");
      await isHeardOnline(two, "api");
      await one[Symbol.asyncDispose]();
      // Registrations are made in turn: the former instance comes after it.
      const usurper = two.join({ keyring: [secret], name: "api", instanceId: "2" });
      const back = await two.join({ secret, instanceId: "1" });
      expect(back.registered).toMatchObject({ created: false, epoch: 2n });
      expect((await seenAt(two, "api"))?.online, "no blink").toBe(true);
      expect((await usurper).name).toBe("api-2");
    });

    test("keeps its peer for its conversation as well when its broker stops, and for nobody else", async () => {
      // No wait is over: time stands still.
      const { one, two } = await startGateways(technology, { clock: new StoppedClock() });
      const secret = newSecret();
      const conversationId = "c:1";
      const api = await one.join({ secret, name: "api", instanceId: "1", conversationId });
      await api.subscribe().expect("started");
      await isHeardOnline(two, "api");
      await one[Symbol.asyncDispose]();
      const other = two.join({ keyring: [secret], name: "api", instanceId: "2" });
      const resumed = await eventually(() => two.join({ secret, instanceId: "3", conversationId }));
      expect(resumed.registered).toMatchObject({ created: false, epoch: 2n });
      expect((await other).registered.created).toBe(true);
    });

    test("whose broker stops leaves its peer to another instance a moment later", async () => {
      const { one, two } = await startGateways(technology);
      const secret = newSecret();
      const api = await one.join({ secret, name: "api", instanceId: "1" });
      await api.subscribe().expect("started");
      await isHeardOnline(two, "api");
      await one[Symbol.asyncDispose]();
      const next = await eventually(() => two.join({ secret, instanceId: "2" }));
      expect(next.registered).toMatchObject({ created: false, epoch: 2n });
    });

    test("keeps nobody waiting at a broker that starts, where it is known to be live", async () => {
      const { one, start } = await startGateways(technology);
      const secret = newSecret();
      const api = await one.join({ secret, name: "api", instanceId: "1" });
      await api.subscribe().expect("started");
      const three = await start("three");
      expect(await reasonOf(three.join({ secret, instanceId: "2" }))).toBe("PEER_LIVE");
    });
  });

  describe("two brokers that open sessions of one peer at once", () => {
    test("give it to one of two instances, and tell the other", async () => {
      const { one, two } = await startGateways(technology);
      for (let round = 0; round < 10; round++) {
        const secret = newSecret();
        const outcomes = await Promise.all(
          [one, two].map((gateway, index) =>
            gateway.join({ secret, name: `api-${round}x`, instanceId: `${round}-${index}` }).then(
              ({ registered }) => String(registered.epoch),
              (error: unknown) => reasonIn(error),
            ),
          ),
        );
        expect(outcomes.toSorted()).toEqual(["1", "PEER_LIVE"]);
      }
    });

    test("give the one that is free to one of two newcomers, and the other gets another", async () => {
      const { one, two } = await startGateways(technology);
      for (let round = 0; round < 5; round++) {
        const free = await one.join({
          name: `shop-${round}x`,
          kind: agent,
          instanceId: `${round}`,
        });
        const { peerId = "" } = free.registered.peer ?? {};
        await free.client.unregister({});
        await eventually(() => two.client(operatorToken).getPeer({ peer: peerId }));
        const joined = await Promise.all(
          [one, two].map((gateway, index) =>
            gateway.join({
              keyring: [free.secret],
              name: free.name,
              kind: agent,
              instanceId: `${round}-${index}`,
            }),
          ),
        );
        const created = joined.filter(({ registered }) => registered.created);
        expect(created.map(({ name }) => name)).toEqual([`${free.name}-2`]);
        const taken = joined.find(({ registered }) => !registered.created);
        expect(taken?.registered.peer?.peerId).toBe(peerId);
      }
    });

    test("give it to the one that comes last where both are of one conversation, each with an epoch of its own", async () => {
      const { one, two } = await startGateways(technology);
      const conversationId = "c:1";
      for (let round = 0; round < 5; round++) {
        const secret = newSecret();
        const joined = await Promise.all(
          [one, two].map((gateway, index) =>
            gateway.join({ secret, conversationId, instanceId: `${round}-${index}` }),
          ),
        );
        const epochs = joined.map(({ registered }) => String(registered.epoch));
        expect(epochs.toSorted()).toEqual(["1", "2"]);
        const ids = new Set(joined.map(({ registered }) => registered.peer?.peerId));
        expect(ids.size).toBe(1);
        const [older, newer] = joined.toSorted((a, b) =>
          Number(a.registered.epoch - b.registered.epoch),
        );
        await eventually(async () =>
          expect(await reasonOf(older?.client.getPeer({}) ?? Promise.resolve())).toBe(
            "TOKEN_INVALID",
          ),
        );
        await newer?.client.getPeer({});
      }
    });
  });
}

/** What the peer's token still does, over a new connection. */
function tokenOf(gateway: TestBroker, { registered }: TestPeer) {
  return gateway.client(registered.sessionToken);
}
