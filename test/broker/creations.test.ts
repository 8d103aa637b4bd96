import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { PeerKind, ProfileSchema } from "../../gen/peerline/v1/peer_pb.js";
import {
  creationBurstOfNewcomers,
  maxCreationBurst,
  maxCreationBurstOfConnection,
  maxCreationBurstOfMachine,
  maxSendBurst,
  unusedGraceMs,
} from "../../src/broker/limits.js";
import { usualSettings } from "../../src/contract/settings.js";
import { Creations } from "../../src/broker/peers/creations.js";
import { nearNames } from "../../src/broker/peers/names.js";
import type { Store } from "../../src/broker/store/store.js";
import type { Connection } from "../../src/rpc/call-stream.js";
import { createClient, openChannel } from "../../src/rpc/client.js";
import { RpcError } from "../../src/rpc/error.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  newSecret,
  reasonIn,
  reasonOf,
  startTestBroker,
  type TestBroker,
} from "../support/test-broker.js";

const { peers: maxPeers } = usualSettings;

describe("one client without a credential", () => {
  const clock = new StoppedClock();
  let broker: TestBroker;
  beforeEach(async () => {
    broker = await startTestBroker({ store: openMemoryStore({ clock }), clock });
    clock.advance(60_000);
  });
  afterEach(() => broker[Symbol.asyncDispose]());

  /** A connection of its own that registers new peers until it is refused; resolves to how many. */
  async function registerUntilRefused(most: number): Promise<{ made: number; refusal: unknown }> {
    const channel = openChannel(broker.address);
    onTestFinished(() => channel.close());
    const client = createClient(BrokerService, channel);
    for (let made = 0; ; made++) {
      if (made === most) return { made, refusal: undefined };
      try {
        await client.register({ secret: newSecret(), baseName: "flood" });
      } catch (refusal) {
        return { made, refusal };
      }
    }
  }

  test("makes a burst of peers and no more; another connection still makes its own", async () => {
    const { made, refusal } = await registerUntilRefused(maxPeers);
    expect(made).toBe(maxCreationBurstOfConnection);
    expect(reasonIn(refusal)).toBe("RATE_LIMITED");
    const retry = (refusal as RpcError).findDetail(RetryInfoSchema)?.retryDelay;
    expect(retry?.seconds).toBe(10n);
    expect((refusal as RpcError).findDetail(ErrorInfoSchema)?.metadata["limit"]).toBe("peer_burst");
    await broker.join({ name: "honest" });
  });

  test("makes no more of them over many connections than the broker's burst, and a few with time", async () => {
    const floods = Array.from({ length: 6 }, () => registerUntilRefused(maxPeers));
    const made = (await Promise.all(floods)).map((flood) => flood.made);
    const forAll = maxCreationBurst - creationBurstOfNewcomers;
    expect(made.reduce((sum, count) => sum + count, 0)).toBe(forAll);
    clock.advance(5_000);
    expect((await registerUntilRefused(maxPeers)).made).toBe(5);
  });

  test("keeps no new agent from its peer, however many connections ask and go on asking", async () => {
    const clients = Array.from({ length: 20 }, () => broker.client());
    const flood = async (): Promise<void> => {
      const asking = clients.map(async (client) => {
        for (;;) {
          const reason = await reasonOf(
            client.register({ secret: newSecret(), baseName: "flood" }),
          );
          if (reason === "RATE_LIMITED") return;
        }
      });
      await Promise.all(asking);
    };
    await flood();
    // Each new agent comes over a connection of its own.
    for (let agent = 0; agent < creationBurstOfNewcomers; agent++) {
      await broker.join({ baseName: "honest" });
    }
    expect(await reasonOf(broker.join({ baseName: "late" }))).toBe("RATE_LIMITED");
    // What comes back is theirs first.
    for (let second = 0; second < 5; second++) {
      clock.advance(1000);
      await flood();
      const { registered } = await broker.join({ baseName: "late" });
      expect(registered.created).toBe(true);
    }
  });

  test("bounds nobody who returns", async () => {
    const secrets = Array.from({ length: 50 }, newSecret);
    for (const secret of secrets) await broker.join({ secret });
    await registerUntilRefused(maxPeers);
    for (let round = 0; round < 10; round++) {
      for (const secret of secrets.slice(0, 10)) {
        expect((await broker.join({ secret })).registered.created).toBe(false);
      }
    }
  });

  test("pays for names that nobody has as for messages", async () => {
    const { client } = await broker.join({ name: "guesser" });
    const call = (): Promise<string> =>
      reasonOf(client.sendMessage({ to: ["nobody-here"], text: "?" }));
    const reasons = await Promise.all(Array.from({ length: maxSendBurst + 20 }, call));
    expect(reasons.filter((reason) => reason === "PEER_NOT_FOUND")).toHaveLength(maxSendBurst);
    expect(reasons.filter((reason) => reason === "RATE_LIMITED")).toHaveLength(20);
  });
});

test("a creation that failed is given back to the broker and to its connection", () => {
  const creations = new Creations(new StoppedClock());
  const connection: Connection = { closed: new AbortController().signal };
  const another: Connection = { closed: new AbortController().signal };
  for (let count = 0; count <= maxCreationBurst; count++) {
    creations.take(connection);
    creations.giveBack(connection);
  }
  for (let count = 0; count < maxCreationBurstOfConnection; count++) creations.take(connection);
  expect(() => creations.take(connection)).toThrow(/too many new peers at once/);
  creations.take(another);
});

describe("a broker that knows as many peers as it takes", () => {
  test("a machine that makes a connection for each new peer leaves half of them to others", () => {
    const clock = new StoppedClock();
    const creations = new Creations(clock);
    const take = (machineId: string): void => {
      creations.take({ closed: new AbortController().signal }, machineId);
    };
    for (let count = 0; count < maxCreationBurstOfMachine; count++) take("desktop");
    expect(() => take("desktop")).toThrow(/one machine makes 128 in a burst \(try again in 2 s\)/);
    // For a minute it takes what comes back for it: as much comes back for others.
    for (let second = 0; second < 60; second += 2) {
      clock.advance(2000);
      take("desktop");
      take("laptop");
      expect(() => take("desktop")).toThrow(/too many new peers/);
    }
    for (let count = maxCreationBurstOfMachine; count < maxCreationBurst; count++) take("");
  });

  test("takes no more while they are in use or were just seen; then those never used make room", async () => {
    const clock = new StoppedClock();
    const store = openMemoryStore({ clock });
    for (let index = 0; index < maxPeers; index++) await createStored(store, index, clock.now());
    await using broker = await startTestBroker({ store, clock });
    expect(await reasonOf(broker.join({ name: "late" }))).toBe("LIMIT_REACHED");

    clock.advance(unusedGraceMs);
    // What was used stays: a peer that was written to, and one whose stream is open.
    const written = await broker.join({ secret: secretOf(0) });
    const open = await broker.join({ secret: secretOf(1) });
    const stream = open.subscribe();
    await stream.expect("started");
    await written.client.sendMessage({ to: ["peer-2"], text: "keep this" });
    clock.advance(unusedGraceMs);
    const late = await broker.join({ name: "late" });
    expect(late.registered.created).toBe(true);
    for (const kept of ["peer-0", "peer-1", "peer-2"]) {
      await late.client.sendMessage({ to: [kept], text: `${kept} is here` });
    }
    expect((await late.client.listPeers({})).totalSize).toBeLessThanOrEqual(maxPeers);
    await stream.cancel();
  });
});

test("of any number of names, few are compared with one that nobody has", () => {
  let reads = 0;
  const names = Array.from({ length: 100_000 }, (_, index) => `backend-worker-${index}`);
  const counted = {
    *[Symbol.iterator]() {
      for (const name of names) {
        reads++;
        yield name;
      }
    },
  };
  const found = nearNames("backend-wroker-7", counted);
  expect(found.length).toBeGreaterThan(0);
  // It stops once it has enough to compare.
  expect(reads).toBeLessThan(1000);
  expect(nearNames("x".repeat(41), counted)).toEqual([]);
});

test.each([
  ["bakend", "backend"],
  ["backen", "backend"],
  ["vackend", "backend"],
  ["api", "api-gateway"],
  ["fronted", "frontend"],
])("%s may mean %s", (wanted, meant) => {
  const names = new Set(["backend", "frontend", "api-gateway", "worker", "zoe"]);
  expect(nearNames(wanted, names)).toContain(meant);
});

function secretOf(index: number): string {
  return `secret-of-the-stored-peer-number-${String(index).padStart(6, "0")}`;
}

async function createStored(store: Store, index: number, nowMs: number): Promise<void> {
  await store.peers.create({
    peerId: `00000000-0000-7000-8000-${String(index).padStart(12, "0")}`,
    name: `peer-${index}`,
    kind: PeerKind.PROGRAM,
    profile: create(ProfileSchema),
    createTimeMs: nowMs,
    lastSeenMs: nowMs,
    secretHash: createHash("sha256").update(secretOf(index)).digest("hex"),
    baseName: `peer-${index}`,
    number: 1,
    epoch: 0,
    instanceId: "",
    conversations: [],
    formerNames: [],
    mutedUntilMs: 0,
    revision: 1,
  });
}
