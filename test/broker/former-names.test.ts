import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PeerKind, ProfileSchema } from "../../gen/peerline/v1/peer_pb.js";
import { systemClock } from "../../src/clock.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { newSecret, reasonOf, startTestBroker, type TestBroker } from "../support/test-broker.js";

const secret = newSecret();
const peerId = "019a0000-0000-7000-8000-00000000cafe";
const profile = { root: "/src/deadbeef" };

describe("a peer that an older broker named like the end of an id", () => {
  let broker: TestBroker;

  beforeEach(async () => {
    const store = openMemoryStore({ clock: systemClock });
    await store.peers.create({
      peerId,
      name: "deadbeef",
      kind: PeerKind.AGENT,
      profile: create(ProfileSchema, profile),
      createTimeMs: systemClock.now(),
      lastSeenMs: systemClock.now(),
      secretHash: createHash("sha256").update(secret).digest("hex"),
      baseName: "deadbeef",
      number: 1,
      epoch: 1,
      instanceId: "",
      conversations: [],
      formerNames: [],
      mutedUntilMs: 0,
      revision: 1,
    });
    broker = await startTestBroker({ store });
  });
  afterEach(() => broker[Symbol.asyncDispose]());

  test.each([
    ["by its secret", { secret }],
    ["by its name", { secret: newSecret(), keyring: [secret], name: "deadbeef" }],
    ["by its project", { keyring: [secret], baseName: "deadbeef", profile }],
  ])("comes back %s, and keeps its name", async (_how, request) => {
    const wish = { instanceId: "one", kind: PeerKind.AGENT, ...request };
    const { peer } = await broker.client().register(wish);
    expect(peer).toMatchObject({ peerId, name: "deadbeef" });
  });

  test("has its name for itself, before any id that ends like it", async () => {
    const mallory = await broker.join({ name: "mallory" });
    expect(await reasonOf(broker.join({ name: "deadbeef" }))).toBe("FIELD_INVALID");
    expect(await reasonOf(mallory.client.updatePeer({ name: "deadbeef" }))).toBe("FIELD_INVALID");
    const { results } = await mallory.client.sendMessage({ to: ["deadbeef"], text: "hello" });
    expect(results[0]?.recipient?.peerId).toBe(peerId);
  });

  test("may name itself as it is, and not come back to that once it has another name", async () => {
    const old = await broker.join({ secret });
    expect((await old.client.updatePeer({ name: "deadbeef" })).peer?.name).toBe("deadbeef");
    expect((await old.client.updatePeer({ name: "web" })).peer?.name).toBe("web");
    expect(await reasonOf(old.client.updatePeer({ name: "deadbeef" }))).toBe("FIELD_INVALID");
    expect(await reasonOf(broker.join({ secret, name: "deadbeef" }))).toBe("FIELD_INVALID");
  });
});
