import { afterEach, beforeEach, expect, test } from "vitest";
import { create } from "@bufbuild/protobuf";
import { RegisterRequestSchema } from "../../gen/peerline/v1/broker_service_pb.js";
import { readRegistration } from "../../src/broker/calls/registration-request.js";
import { maxKeyring, secretsPerSlice } from "../../src/broker/limits.js";
import type { Store } from "../../src/broker/store/store.js";
import { deferred } from "../rpc/deferred.js";
import { openStore } from "../store/sqlite/open-store.js";
import { temporaryDatabase } from "../store/sqlite/temporary-database.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { newSecret, reasonOf, startTestBroker, type TestBroker } from "../support/test-broker.js";
import { peersOf } from "../contract/store/records.js";

// The store is SQLite on a disk, so that each registration that changes something waits for its commit.

let clock: StoppedClock;
let store: Store;
let broker: TestBroker;

beforeEach(async () => {
  clock = new StoppedClock();
  store = await openStore(temporaryDatabase());
  broker = await startTestBroker({ clock, store, keepStore: true });
  clock.advance(60_000);
});
afterEach(() => broker[Symbol.asyncDispose]());

test("hundreds of registrations of one peer at once keep nobody else waiting", async () => {
  const flooder = await broker.join({ name: "flooder", instanceId: "1" });
  const { before, served } = await registerBeside(600, async (index) => {
    const conversationId = `codex:${index}`;
    const call = flooder.client.register({
      secret: flooder.secret,
      instanceId: "1",
      conversationId,
    });
    // Those that find no place are refused.
    return (await reasonOf(call)) !== "RATE_LIMITED";
  });
  expect(before).toBeLessThan(served / 2);
  expect((await broker.join({ secret: flooder.secret, instanceId: "1" })).name).toBe("flooder");
});

test("long keyrings over many connections keep no newcomer waiting", async () => {
  const keyring = Array.from({ length: maxKeyring }, newSecret);
  const count = 30;
  const { before } = await registerBeside(count, async (index) => {
    const call = broker.client().register({ keyring, instanceId: String(index) });
    expect(await reasonOf(call)).toBe("PEER_NOT_FOUND");
    return true;
  });
  expect(before).toBeLessThan(count / 2);
});

test("a long keyring is read in slices, between which other work goes on", async () => {
  const keyring = Array.from({ length: maxKeyring }, newSecret);
  const request = create(RegisterRequestSchema, { keyring, instanceId: "1" });
  let turns = 0;
  let isRead = false;
  const count = (): void => {
    turns++;
    if (!isRead) setImmediate(count);
  };
  setImmediate(count);
  const { keyringHashes } = await readRegistration(request, () => undefined);
  isRead = true;
  expect(keyringHashes).toHaveLength(maxKeyring);
  expect(turns).toBeGreaterThanOrEqual(maxKeyring / secretsPerSlice - 1);
});

async function revision(): Promise<number | undefined> {
  return (await peersOf(store))[0]?.revision;
}

test("a registration that says nothing new writes nothing", async () => {
  const wish = {
    secret: newSecret(),
    name: "api",
    instanceId: "1",
    conversationId: "codex:1",
    profile: { root: "/src/api", branch: "main" },
  };
  await broker.join(wish);
  const before = (await revision()) ?? 0;
  await Promise.all(Array.from({ length: 20 }, () => broker.join(wish)));
  expect(await revision()).toBe(before);

  await broker.join({ ...wish, profile: { root: "/src/api", branch: "topic" } });
  expect(await revision()).toBe(before + 1);
  await broker.join({ ...wish, profile: wish.profile, conversationId: "codex:2" });
  expect(await revision()).toBe(before + 2);
  await broker.join({ ...wish, conversationId: "codex:2" });
  expect(await revision()).toBe(before + 2);
  // That it is still there is written now and then.
  clock.advance(60_000);
  await broker.join({ ...wish, conversationId: "codex:2" });
  expect(await revision()).toBe(before + 3);
});

test("a peer that is deleted twice at once is gone once, and leaves nothing behind", async () => {
  const leaving = await broker.join({ name: "leaving" });
  // All come while another's turn lasts.
  const others = Array.from({ length: 20 }, () => broker.join({ baseName: "other" }));
  await others[0];
  const calls = Array.from({ length: 5 }, () => reasonOf(leaving.client.deletePeer({})));
  const reasons = await Promise.all(calls);
  await Promise.all(others);
  expect(reasons.filter((reason) => reason === "TOKEN_INVALID")).toHaveLength(4);
  const witness = await broker.join({ name: "witness" });
  const { peers } = await witness.client.listPeers({});
  expect(peers.map(({ name }) => name)).not.toContain("leaving");
  expect((await broker.join({ name: "leaving", secret: leaving.secret })).registered.created).toBe(
    true,
  );
});

/**
 * Makes so many calls at once, and registers a newcomer when the first was answered. Resolves to how many
 * were served, as each call says of itself, before the newcomer was and in all.
 */
async function registerBeside(
  count: number,
  call: (index: number) => Promise<boolean>,
): Promise<{ before: number; served: number }> {
  const honest = broker.client();
  await honest.getServerInfo({});
  let served = 0;
  const underWay = deferred();
  const calls = Array.from({ length: count }, async (_, index) => {
    if (await call(index)) served++;
    underWay.resolve();
  });
  await underWay.promise;
  const { created } = await honest.register({ secret: newSecret(), name: "honest" });
  const before = served;
  await Promise.all(calls);
  expect(created).toBe(true);
  return { before, served };
}
