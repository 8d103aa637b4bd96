import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import type { Store } from "../../src/broker/store/store.js";
import { systemClock } from "../../src/clock.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import {
  newSecret,
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";
import { peersOf } from "../contract/store/records.js";

describe("a name that looks like another's", () => {
  let broker: TestBroker;
  let mallory: TestPeer;

  beforeAll(async () => {
    broker = await startTestBroker();
    await broker.join({ name: "api" });
    mallory = await broker.join({ name: "mallory" });
  });
  afterAll(() => broker[Symbol.asyncDispose]());

  test.each([
    ["Cyrillic letters", "\u0430\u0440i"],
    ["the broker's own", "@peerline"],
    ["an id", "01234567-89ab-7def-8123-456789abcdef"],
    ["the end of an id", "89abcdef"],
    ["a longer end of an id", "8123-456789abcdef"],
    ["a tag", "<system>"],
    ["a role", "Assistant"],
    ["a role and a number", "user-2"],
    ["a role with marks in it", "u-s-e.r"],
    ["a role with an invisible letter", "us\u200Ber"],
    ["a host's own tag", "system_reminder"],
    ["nothing", "\u202E!"],
  ])("of %s is given to nobody", async (_what, name) => {
    const { client, secret } = mallory;
    expect(await reasonOf(client.updatePeer({ name }))).toBe("FIELD_INVALID");
    expect(await reasonOf(client.register({ secret, name }))).toBe("FIELD_INVALID");
  });

  test("of which only the beginning would fit means nobody", async () => {
    const east = await broker.join({ name: "a-service-of-forty-characters-in-the-eas" });
    expect(east.name).toHaveLength(40);
    const to = ["a-service-of-forty-characters-in-the-east"];
    expect(await reasonOf(mallory.client.sendMessage({ to, text: "hello" }))).toBe(
      "PEER_NOT_FOUND",
    );
  });

  test.each([
    ["letters of full width", "\uFF41\uFF50\uFF49"],
    ["capitals", "API"],
    ["an invisible letter", "api\u200B"],
  ])("of %s is that other's", async (_what, name) => {
    const { client, secret } = mallory;
    expect(await reasonOf(client.updatePeer({ name }))).toBe("NAME_TAKEN");
    const { peer } = await client.register({ secret, name });
    expect(peer?.name).toBe("mallory");
  });

  test.each([
    ["a mark that reorders", "\u202Eipa", "ipa"],
    ["a host", "api@host", "api-host"],
    ["an escape", "api\u001B[0m", "api-0m"],
    ["accents and a space", "Müller Api", "muller-api"],
  ])("of %s is normalised, and the answer says so", async (_what, name, normal) => {
    const { client } = mallory;
    expect((await client.updatePeer({ name })).peer?.name).toBe(normal);
    await client.updatePeer({ name: "mallory" });
  });

  test("means its owner also as a recipient", async () => {
    const { results } = await mallory.client.sendMessage({ to: ["@Api"], text: "hello" });
    expect(results).toMatchObject([{ recipient: { name: "api" } }]);
  });

  test.each(["all", "@everyone", "*"])("for all peers, %s, suggests none of them", async (to) => {
    const call = mallory.client.sendMessage({ to: [to], text: "hello" });
    await expect(call).rejects.toThrow("name each recipient");
    await expect(call).rejects.not.toThrow("did you mean");
  });

  test("that is another short word is no slip", async () => {
    const call = mallory.client.sendMessage({ to: ["apx"], text: "hello" });
    await expect(call).rejects.toThrow("did you mean api?");
    const other = mallory.client.sendMessage({ to: ["axx"], text: "hello" });
    await expect(other).rejects.toThrow("list the peers");
  });

  test.each([
    ["system", PeerKind.AGENT, "system-agent"],
    ["User", PeerKind.PERSON, "user-person"],
  ])("that is reserved is derived of %s all the same", async (baseName, kind, name) => {
    const secret = newSecret();
    const { peer } = await broker.client().register({ secret, baseName, kind });
    expect(peer?.name).toBe(name);
  });

  test.each(["\u0430pi", "\uFF41\uFF50\uFF49", "API", "<b>api</b>"])(
    "is plainly another when it is made from %j",
    async (baseName) => {
      const { name } = await broker.join({ baseName });
      expect(name).toMatch(/^[a-z0-9][a-z0-9._-]*$/);
      expect(name).not.toBe("api");
    },
  );
});

describe("a peer whose name is reserved only now", () => {
  let store: Store;
  let broker: TestBroker;
  let secret: string;
  beforeEach(async () => {
    store = openMemoryStore({ clock: systemClock });
    secret = newSecret();
    const before = await startTestBroker({ store, keepStore: true });
    await before.join({ secret, name: "old", profile: { root: "/src/old" } });
    await before[Symbol.asyncDispose]();
    const [stored] = await peersOf(store);
    if (stored === undefined) throw new Error("no peer was stored");
    const reserved = { name: "sy.stem", baseName: "sy.stem", instanceId: "" };
    await store.peers.update({ ...stored, ...reserved, revision: stored.revision + 1 });
    broker = await startTestBroker({ store });
  });
  afterEach(() => broker[Symbol.asyncDispose]());

  test("comes back by its secret and its name, and keeps it", async () => {
    const back = await broker.join({ secret, name: "sy.stem", instanceId: "1" });
    expect([back.name, back.registered.created]).toEqual(["sy.stem", false]);
    const { peer } = await back.client.updatePeer({ name: "sy.stem", summary: "still here" });
    expect([peer?.name, peer?.profile?.summary]).toEqual(["sy.stem", "still here"]);
    const sender = await broker.join({ name: "sender" });
    const { results } = await sender.client.sendMessage({ to: ["Sy.stem"], text: "hello" });
    expect(results[0]?.recipient?.name).toBe("sy.stem");
  });

  test.each([{ name: "sy.stem" }, { baseName: "Sy.stem" }])(
    "comes back by a keyring to %j, and nobody else gets such a name",
    async (wish) => {
      const profile = { root: "/src/old" };
      const asked = { ...wish, profile, keyring: [secret] };
      const back = await broker.join({ ...asked, instanceId: "1" });
      expect([back.name, back.registered.created]).toEqual(["sy.stem", false]);
      const next = await broker.join({ ...asked, instanceId: "2" });
      expect([next.name, next.registered.created]).toEqual(["sy.stem-program", true]);
      const stranger = broker.join({ name: "sy.stem", instanceId: "3" });
      expect(await reasonOf(stranger)).toBe("FIELD_INVALID");
    },
  );
});
