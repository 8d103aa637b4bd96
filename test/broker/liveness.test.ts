import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { presenceGraceMs } from "../../src/broker/limits.js";
import { createClient, openChannel } from "../../src/rpc/client.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { deferred } from "../rpc/deferred.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  eventually,
  newSecret,
  reasonOf,
  startTestBroker,
  type TestBroker,
} from "../support/test-broker.js";

const agent = PeerKind.AGENT;

describe("a session is live while its connection is open", () => {
  // Time stands still: whatever frees a peer, it is no timer.
  const clock = new StoppedClock(Date.now());
  let broker: TestBroker;
  beforeEach(async () => {
    broker = await startTestBroker({ store: openMemoryStore({ clock }), clock });
    // Nobody waits for former instances any more.
    clock.advance(60_000);
  });
  afterEach(() => broker[Symbol.asyncDispose]());

  /** Comes back for a peer as another process does that has its secret in its keyring. */
  async function returnFor(secret: string, name: string): Promise<string> {
    const back = await broker.client().register({
      keyring: [secret],
      name,
      kind: agent,
      instanceId: newSecret().slice(0, 8),
    });
    return back.peer?.name ?? "";
  }

  test("one that died between Register and Subscribe gives its peer to its next start", async () => {
    const died = await broker.join({ name: "api", instanceId: "died", kind: agent });
    died.cut();
    expect(await eventually(() => returnFor(died.secret, "api"))).toBe("api");
  });

  test("an open connection protects the peer that has no stream, however long", async () => {
    const held = await broker.join({ name: "api", instanceId: "slow", kind: agent });
    clock.advance(24 * 60 * 60_000);
    expect(await reasonOf(returnFor(held.secret, "api"))).toBe("PEER_NOT_FOUND");
    expect(await reasonOf(broker.join({ secret: held.secret, instanceId: "other" }))).toBe(
      "PEER_LIVE",
    );
    await held.client.listPeers({});
  });

  test("a stream that ended leaves the peer to the connection it came over", async () => {
    const held = await broker.join({ name: "api", instanceId: "one", kind: agent });
    const stream = held.subscribe();
    await stream.expect("started");
    await stream.cancel();
    expect(await reasonOf(returnFor(held.secret, "api"))).toBe("PEER_NOT_FOUND");
    const again = held.subscribe();
    await again.expect("started");
    await again.cancel();
    held.cut();
    expect(await eventually(() => returnFor(held.secret, "api"))).toBe("api");
  });

  test("others see a peer online for a grace longer than its stream, and no longer", async () => {
    const held = await broker.join({ name: "api", instanceId: "one", kind: agent });
    const witness = await broker.join({ name: "witness", instanceId: "witness" });
    const isOnline = async (): Promise<boolean | undefined> =>
      (await witness.client.listPeers({})).peers.find(({ name }) => name === "api")?.online;
    const stream = held.subscribe();
    await stream.expect("started");
    held.cut();
    await eventually(() => returnFor(held.secret, "api"));
    expect(await isOnline()).toBe(true);
    await eventually(async () => {
      clock.advance(presenceGraceMs);
      expect(await isOnline()).toBe(false);
    });
  });

  test("a token stays good over a new connection, which then protects the peer", async () => {
    const holder = await broker.join({ name: "api", instanceId: "one" });
    const { secret, registered } = holder;
    const elsewhere = broker.client(registered.sessionToken);
    await elsewhere.listPeers({});
    holder.cut();
    const witness = await broker.join({ name: "witness", instanceId: "witness" });
    await witness.client.listPeers({});
    expect(await reasonOf(broker.join({ secret, instanceId: "two" }))).toBe("PEER_LIVE");
    expect((await elsewhere.listPeers({})).totalSize).toBe(2);
  });

  test("a token whose connections are gone is good until another instance takes the peer", async () => {
    const holder = await broker.join({ name: "api", instanceId: "one" });
    const { secret, registered } = holder;
    holder.cut();
    const next = await eventually(() => broker.join({ secret, instanceId: "two" }));
    expect(next.registered).toMatchObject({ created: false, epoch: 2n });
    const late = broker.client(registered.sessionToken);
    expect(await reasonOf(late.listPeers({}))).toBe("TOKEN_INVALID");
  });

  test("an instance that registers again keeps its session over either connection", async () => {
    const secret = newSecret();
    const first = await broker.join({ secret, name: "api", instanceId: "one" });
    const second = await broker.join({ secret, name: "api", instanceId: "one" });
    expect(second.registered.sessionToken).toBe(first.registered.sessionToken);
    first.cut();
    await second.client.listPeers({});
    expect(await reasonOf(broker.join({ secret, instanceId: "two" }))).toBe("PEER_LIVE");
    second.cut();
    const next = await eventually(() => broker.join({ secret, instanceId: "two" }));
    expect(next.registered.created).toBe(false);
  });

  test("a session that comes over many connections keeps nothing of those that closed", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on("warning", note);
    onTestFinished(() => void process.off("warning", note));
    const secret = newSecret();
    for (let visit = 0; visit < 40; visit++)
      (await broker.join({ secret, instanceId: "one" })).cut();
    const held = await broker.join({ secret, instanceId: "one" });
    await held.client.listPeers({});
    held.cut();
    await eventually(() => broker.join({ secret, instanceId: "two" }));
    expect(warnings).toEqual([]);
  });

  test("a connection carries any number of sessions, and frees all their peers", async () => {
    const channel = openChannel(broker.address);
    onTestFinished(() => channel.close());
    const client = createClient(BrokerService, channel);
    const secrets = Array.from({ length: 20 }, newSecret);
    for (const [index, secret] of secrets.entries()) {
      await client.register({ secret, name: `p${index}`, instanceId: `i${index}` });
    }
    const taken = secrets.map((secret) => reasonOf(broker.join({ secret, instanceId: "next" })));
    expect(new Set(await Promise.all(taken))).toEqual(new Set(["PEER_LIVE"]));
    channel.close();
    for (const [index, secret] of secrets.entries()) {
      const next = await eventually(() => broker.join({ secret, instanceId: `next-${index}` }));
      expect(next.name).toBe(`p${index}`);
    }
  });
});

test("a caller that is gone before its turn becomes nobody", async () => {
  const clock = new StoppedClock();
  const store = openMemoryStore({ clock });
  await using broker = await startTestBroker({ store, clock });
  const caller = await broker.join({ name: "caller" });
  const stream = caller.subscribe();
  await stream.expect("started");

  const firstCreation = deferred();
  const released = deferred();
  const before = { ...store.peers };
  store.peers.create = async (peer) => {
    firstCreation.resolve();
    await released.promise;
    await before.create(peer);
  };
  const first = broker.join({ name: "first" });
  await firstCreation.promise;
  const failed = reasonOf(caller.client.register({ secret: newSecret(), name: "gone" }));
  // What comes after it over the same connection is answered: it waits for its turn. Then its caller dies.
  await caller.client.getServerInfo({});
  const { timers } = clock;
  caller.cut();
  await failed;
  // The broker has seen the connection go, with all its calls: it counts the grace of the stream that it carried.
  await eventually(() => expect(clock.timers).toBeGreaterThan(timers));
  await broker.client().getServerInfo({});
  released.resolve();
  const { peers } = await (await first).client.listPeers({});
  expect(peers.map(({ name }) => name).toSorted()).toEqual(["caller", "first"]);
});
