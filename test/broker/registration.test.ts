import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RegisterResponse } from "../../gen/peerline/v1/broker_service_pb.js";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { maxCreationBurstOfConnection, reclaimDelayMs } from "../../src/broker/limits.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  eventually,
  newSecret,
  reasonIn,
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

const agent = PeerKind.AGENT;
const profile = { host: "box", cwd: "/src/api", root: "/src/api" };

describe("Register", () => {
  // Time stands still: no burst comes back, and no grace ends, however long the machine takes.
  let broker: TestBroker;
  beforeEach(async () => void (broker = await startTestBroker({ clock: new StoppedClock() })));
  afterEach(() => broker[Symbol.asyncDispose]());

  /** Each an instance of its own, in a conversation of its own. */
  async function joinTwo(): Promise<{ one: TestPeer; two: TestPeer }> {
    return {
      one: await broker.join({
        name: "one",
        conversationId: "claude-code:1",
        instanceId: "1",
      }),
      two: await broker.join({
        name: "two",
        conversationId: "claude-code:2",
        instanceId: "2",
      }),
    };
  }

  test("names a new peer after its project, and numbers it when the name is taken", async () => {
    const first = await broker.join({ baseName: "My API!", profile });
    const second = await broker.join({ baseName: "My API!", profile });
    expect([first.name, second.name]).toEqual(["my-api", "my-api-2"]);
    expect(first.registered).toMatchObject({ created: true, secretIndex: 0, epoch: 1n });
  });

  test("returns the same peer and token to the same instance", async () => {
    const secret = newSecret();
    const first = await broker.join({ secret, instanceId: "one", name: "api" });
    const again = await broker.join({ secret, instanceId: "one", name: "api" });
    expect(again.registered.peer?.peerId).toBe(first.registered.peer?.peerId);
    expect(again.registered.sessionToken).toBe(first.registered.sessionToken);
    expect(again.registered).toMatchObject({ created: false, epoch: 1n });
  });

  test("takes every process with one secret and no instance id for one instance", async () => {
    const secret = newSecret();
    const reader = await broker.join({ secret, name: "alice", kind: PeerKind.PERSON });
    const stream = reader.subscribe();
    await stream.expect("started");
    const sender = await broker.join({ secret, name: "alice", kind: PeerKind.PERSON });
    await sender.client.sendMessage({ to: ["alice"], text: "note to self" });
    expect((await stream.expect("delivery")).message?.text).toBe("note to self");
    await stream.cancel();
  });

  test("refuses an identity that another live instance holds", async () => {
    const secret = newSecret();
    const holder = await broker.join({ secret, instanceId: "one", name: "api" });
    const stream = holder.subscribe();
    await stream.expect("started");
    expect(await reasonOf(broker.join({ secret, instanceId: "two" }))).toBe("PEER_LIVE");
    holder.cut();
    const successor = await eventually(() => broker.join({ secret, instanceId: "two" }));
    expect(successor.registered).toMatchObject({ epoch: 2n, created: false });
  });

  test("returns to the peer of its project when its machine has another name", async () => {
    const before = await broker.join({ baseName: "api", profile, instanceId: "one" });
    await before.client.unregister({});
    const after = await broker.join({
      keyring: [before.secret],
      baseName: "api",
      profile: { ...profile, host: "box-on-another-network" },
      instanceId: "two",
    });
    expect(after.registered).toMatchObject({ created: false, secretIndex: 1 });
    expect(after.name).toBe("api");
    expect(after.registered.peer?.profile?.host).toBe("box-on-another-network");
  });

  test("lets the same conversation take over, and the older stream hears it", async () => {
    const secret = newSecret();
    const older = await broker.join({ secret, instanceId: "one", conversationId: "claude-code:1" });
    const stream = older.subscribe();
    await stream.expect("started");
    const newer = await broker.join({ secret, instanceId: "two", conversationId: "claude-code:1" });
    expect(newer.registered.epoch).toBe(2n);
    expect(await stream.expect("closing")).toMatchObject({ reason: 1 });
    expect(reasonIn(await stream.failure())).toBe("SUPERSEDED");
    expect(await reasonOf(older.client.sendMessage({ to: ["api"], text: "?" }))).toBe(
      "TOKEN_INVALID",
    );
  });

  test("goes by conversation, then name, then project, among the secrets held", async () => {
    const byConversation = await broker.join({
      conversationId: "codex:t1",
      name: "conversed",
      instanceId: "1",
    });
    const byName = await broker.join({ name: "named", instanceId: "2" });
    const byProject = await broker.join({ baseName: "project", profile, instanceId: "3" });
    const foreign = await broker.join({ name: "foreign", instanceId: "4" });
    for (const peer of [byConversation, byName, byProject, foreign])
      await peer.client.unregister({});
    const keyring = [byProject.secret, byName.secret, byConversation.secret];

    async function chosen(wish: { conversationId?: string; name?: string }): Promise<string> {
      const peer = await broker.join({
        ...wish,
        keyring,
        baseName: "project",
        profile,
        instanceId: newSecret().slice(0, 8),
      });
      if (!peer.registered.created) await peer.client.unregister({});
      return peer.name;
    }
    expect(await chosen({ conversationId: "codex:t1", name: "named" })).toBe("conversed");
    expect(await chosen({ conversationId: "codex:t2", name: "named" })).toBe("named");
    expect(await chosen({ conversationId: "codex:t3" })).toBe("project");
    // The name is somebody else's, whose secret the caller does not hold.
    expect(await chosen({ name: "foreign" })).toBe("foreign-2");
  });

  test("tells which secret won", async () => {
    const mine = await broker.join({ name: "api", instanceId: "1" });
    await mine.client.unregister({});
    const back = await broker.client().register({
      keyring: [newSecret(), mine.secret],
      instanceId: "2",
      name: "api",
    });
    expect(back).toMatchObject({ secretIndex: 2, created: false });
  });

  test("creates nothing for a keyring alone", async () => {
    const call = broker.client().register({ keyring: [newSecret()], instanceId: "1", name: "api" });
    expect(await reasonOf(call)).toBe("PEER_NOT_FOUND");
  });

  test("passes over a peer of another kind", async () => {
    const person = await broker.join({ name: "alice", kind: PeerKind.PERSON });
    await person.client.unregister({});
    const other = await broker.join({ name: "alice", kind: agent, keyring: [person.secret] });
    expect(other.name).toBe("alice-2");
  });

  test("moves a session to the peer of its conversation, and removes the unused provisional one", async () => {
    const former = await broker.join({ name: "api", conversationId: "codex:t1", instanceId: "1" });
    const asker = await broker.join({ name: "asker", instanceId: "9" });
    await former.client.unregister({});
    await asker.client.sendMessage({ to: ["api"], text: "are you back?" });

    const secret = newSecret();
    const provisional = await broker.join({ secret, name: "web", instanceId: "2" });
    const stream = provisional.subscribe();
    await stream.expect("started");
    const moved = await broker.join({
      secret,
      keyring: [former.secret],
      name: "web",
      instanceId: "2",
      conversationId: "codex:t1",
    });
    expect(moved.name).toBe("api");
    expect(await stream.expect("closing")).toMatchObject({ reason: 3 });
    const mail = moved.subscribe();
    await mail.expect("started");
    expect((await mail.expect("delivery")).message?.text).toBe("are you back?");
    const { peers } = await asker.client.listPeers({});
    expect(peers.map((peer) => peer.name).toSorted()).toEqual(["api", "asker"]);
    await mail.cancel();
  });

  test("a message to a provisional peer that is about to go is refused, or keeps the peer", async () => {
    const former = await broker.join({ conversationId: "codex:t1", instanceId: "1" });
    await former.client.unregister({});
    const sender = await broker.join({ name: "sender", instanceId: "9" });
    for (let round = 0; round < 20; round++) {
      const secret = newSecret();
      const instanceId = `round-${round}`;
      const name = `going-${round}`;
      await broker.join({ secret, name, instanceId });
      const moving = broker.join({
        secret,
        keyring: [former.secret],
        instanceId,
        conversationId: "codex:t1",
      });
      const sent = await reasonOf(sender.client.sendMessage({ to: [name], text: "stay" }));
      const moved = await moving;
      const { peers } = await sender.client.listPeers({});
      const stayed = peers.some((peer) => peer.name === name);
      expect(sent === "PEER_NOT_FOUND").toBe(!stayed);
      await moved.client.unregister({});
    }
  });

  test("keeps a provisional peer that was used, and binds the peer to a conversation that nobody had", async () => {
    const former = await broker.join({ name: "api", conversationId: "codex:t1", instanceId: "1" });
    await former.client.unregister({});
    const secret = newSecret();
    const own = await broker.join({ secret, name: "web", instanceId: "2" });
    await own.client.sendMessage({ to: ["api"], text: "hello" });
    const moved = await broker.join({
      secret,
      keyring: [former.secret],
      instanceId: "2",
      conversationId: "codex:t1",
    });
    expect(moved.name).toBe("api");
    const again = await broker.join({
      secret,
      keyring: [former.secret],
      instanceId: "2",
      conversationId: "codex:t9",
    });
    expect(again.name).toBe("api");
    const { peers } = await moved.client.listPeers({});
    expect(peers.map((peer) => peer.name).toSorted()).toEqual(["api", "web"]);
  });

  test("follows its host from conversation to conversation, as often as it goes, and leaves mail where it is", async () => {
    const { one, two } = await joinTwo();
    const asker = await broker.join({ name: "asker", instanceId: "9" });
    await one.client.unregister({});
    const keyring = [one.secret, two.secret];
    const goOn = async (conversationId: string): Promise<TestPeer> =>
      broker.join({ secret: two.secret, keyring, instanceId: "2", conversationId });
    await asker.client.sendMessage({ to: ["one"], text: "to one" });
    await asker.client.sendMessage({ to: ["two"], text: "to two" });

    // A conversation that nobody had is the agent's, who goes on in it.
    expect((await goOn("claude-code:3")).name).toBe("two");
    for (let round = 0; round < 3; round++) {
      const resumed = await goOn("claude-code:1");
      expect(resumed.name).toBe("one");
      expect(await textsOf(resumed)).toEqual(["to one"]);
      const back = await goOn(round % 2 === 0 ? "claude-code:3" : "claude-code:2");
      expect(back.name).toBe("two");
      expect(await textsOf(back)).toEqual(["to two"]);
    }
    await (await goOn("claude-code:3")).client.unregister({});

    // Closed and resumed in whatever order, each is who it was.
    const bindings = { "claude-code:3": "two", "claude-code:1": "one", "claude-code:2": "two" };
    for (const [conversationId, name] of Object.entries(bindings)) {
      const peer = await broker.join({
        keyring,
        conversationId,
        instanceId: newSecret().slice(0, 8),
      });
      expect(peer.name).toBe(name);
      await peer.client.unregister({});
    }
  });

  test("never takes a conversation's agent along to the mail of another, when somebody has its peer", async () => {
    const { one, two } = await joinTwo();
    await one.client.sendMessage({ to: ["two"], text: "for conversation 2" });
    // The first window has gone on, and its peer with it.
    const gone = { secret: one.secret, instanceId: "1", conversationId: "claude-code:3" };
    expect((await broker.join(gone)).name).toBe("one");
    const keyring = [one.secret, two.secret];
    const resuming = {
      keyring,
      baseName: "two",
      profile,
      instanceId: "2",
      conversationId: "claude-code:1",
    };
    const alone = broker.join({ ...resuming, secret: two.secret });
    expect(await reasonOf(alone)).toBe("PEER_NOT_FOUND");
    const resumed = await broker.join(resuming);
    expect(resumed.name).toBe("two-2");
    expect(await textsOf(resumed)).toEqual([]);
    const { peers } = await one.client.listPeers({});
    expect(peers.map(({ name }) => name).toSorted()).toEqual(["one", "two", "two-2"]);
  });

  test("a session whose move to a new peer is refused stays as it was", async () => {
    const one = await broker.join({ name: "one", conversationId: "codex:1", instanceId: "1" });
    const two = await broker.join({ name: "two", conversationId: "codex:2", instanceId: "2" });
    // Its peer goes on in another conversation, which keeps conversation 1 from it.
    await broker.join({ secret: one.secret, instanceId: "1", conversationId: "codex:3" });
    // Used, it is not removed by the move: no creation comes back with it.
    await two.client.sendMessage({ to: ["one"], text: "hello" });
    const stream = two.subscribe();
    await stream.expect("started");
    const move = { keyring: [one.secret, two.secret], instanceId: "2", conversationId: "codex:1" };
    const refused = (): Promise<string> =>
      reasonOf(two.client.register({ ...move, secret: newSecret() }));
    for (let made = 0; made < maxCreationBurstOfConnection - 1; made++) {
      await two.client.register({ secret: newSecret() });
    }
    expect(await refused()).toBe("RATE_LIMITED");
    await one.client.sendMessage({ to: ["two"], text: "still here?" });
    expect((await stream.expect("delivery")).message?.text).toBe("still here?");
    await stream.cancel();
    const again = await broker.join({ secret: two.secret, instanceId: "2" });
    expect(again.registered.sessionToken).toBe(two.registered.sessionToken);
  });

  test("a peer that is left unused goes once the session has moved, and its name with it", async () => {
    const one = await broker.join({ name: "one", conversationId: "codex:1", instanceId: "1" });
    await broker.join({ secret: one.secret, instanceId: "1", conversationId: "codex:3" });
    const left = await broker.join({ baseName: "proj", profile, instanceId: "2" });
    const stream = left.subscribe();
    await stream.expect("started");
    const moved = await broker.join({
      keyring: [one.secret, left.secret],
      baseName: "proj",
      profile,
      instanceId: "2",
      conversationId: "codex:1",
    });
    // While it was made, the one that it leaves still had the first name.
    expect(moved.name).toBe("proj-2");
    expect(await stream.expect("closing")).toMatchObject({ reason: 3 });
    const { peers } = await moved.client.listPeers({});
    expect(peers.map(({ name }) => name).toSorted()).toEqual(["one", "proj-2"]);
    expect((await broker.join({ baseName: "proj" })).name).toBe("proj");
  });

  test("an instance that is two peers returns to each of them", async () => {
    const instanceId = "two-at-once";
    const api = await broker.join({ name: "api", instanceId });
    const web = await broker.join({ name: "web", instanceId });
    const stream = api.subscribe();
    await stream.expect("started");
    for (const { name, secret, registered } of [api, web, api]) {
      const again = await broker.join({ secret, name, instanceId });
      expect([again.name, again.registered.sessionToken]).toEqual([name, registered.sessionToken]);
    }
    await web.client.unregister({});
    const kept = await broker.join({ keyring: [web.secret, api.secret], instanceId });
    expect(kept.registered.sessionToken).toBe(api.registered.sessionToken);
    await kept.client.sendMessage({ to: ["api"], text: "note to self" });
    expect((await stream.expect("delivery")).message?.text).toBe("note to self");
    await stream.cancel();
  });

  test("says that a peer was another's before, and which peer the conversation was that another has", async () => {
    const project = { baseName: "proj", profile };
    const one = await broker.join({ ...project, conversationId: "codex:1", instanceId: "1" });
    expect(factsOf(one.registered)).toEqual([false, undefined]);
    await one.client.unregister({});
    const keyring = [one.secret];
    const wish = { ...project, keyring, conversationId: "codex:2", instanceId: "2" };
    const two = await broker.join(wish);
    expect(factsOf(two.registered)).toEqual([true, undefined]);
    await two.client.updatePeer({ name: "renamed" });
    const used = await two.client.register(wish);
    expect(factsOf(used)).toEqual([false, undefined]);
    const back = await broker.join({ ...wish, conversationId: "codex:1", instanceId: "3" });
    expect(factsOf(back.registered)).toEqual([false, "renamed"]);
    expect(back.registered.boundPeer?.peerId).toBe(one.registered.peer?.peerId);
  });

  test("of two that come back at once before they name their conversations, each gets its own peer", async () => {
    const project = { baseName: "proj", profile };
    const one = await broker.join({ ...project, conversationId: "codex:1", instanceId: "1" });
    const two = await broker.join({ ...project, conversationId: "codex:2", instanceId: "2" });
    for (const peer of [one, two]) await peer.client.unregister({});
    const keyring = [one.secret, two.secret];
    const start = async (instanceId: string, conversationId = ""): Promise<TestPeer> =>
      broker.join({ ...project, keyring, instanceId, conversationId });
    const second = await start("b");
    const first = await start("a");
    expect([second.name, first.name], "as they are free").toEqual(["proj", "proj-2"]);
    const evicted = first.subscribe();
    await evicted.expect("started");
    expect((await start("b", "codex:2")).name).toBe("proj-2");
    expect(await evicted.expect("closing")).toMatchObject({ reason: 3 });
    expect((await start("a", "codex:1")).name).toBe("proj");
    expect((await start("b", "codex:2")).name).toBe("proj-2");
  });

  test("a free peer that a newcomer has used is the newcomer's, also when its former conversation is back", async () => {
    const project = { baseName: "proj", profile };
    const former = await broker.join({
      ...project,
      conversationId: "claude-code:1",
      instanceId: "1",
    });
    await former.client.unregister({});
    const keyring = [former.secret];
    const newcomer = await broker.join({
      ...project,
      keyring,
      conversationId: "claude-code:2",
      instanceId: "2",
    });
    expect(newcomer.name).toBe("proj");
    await newcomer.client.updatePeer({ summary: "at work" });
    const back = await broker.join({
      ...project,
      keyring,
      conversationId: "claude-code:1",
      instanceId: "3",
    });
    expect(back.name).toBe("proj-2");
  });

  test("answers fifty callers at once with fifty peers", async () => {
    const joined = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        broker.join({ baseName: "api", profile, instanceId: `i${index}` }),
      ),
    );
    expect(new Set(joined.map((peer) => peer.name)).size).toBe(50);
  });

  test.each([
    ["a short secret", { secret: "short" }, "FIELD_INVALID", "secret"],
    ["no secret at all", { secret: "" }, "FIELD_REQUIRED", "secret"],
    [
      "a keyring without a secret and without an instance id",
      { secret: "", keyring: [newSecret()], instanceId: "" },
      "FIELD_REQUIRED",
      "instance_id",
    ],
    ["a name of control characters", { name: "\u0007" }, "FIELD_INVALID", "name"],
    [
      "a name that is an id",
      { name: "0190b1a0-0000-7000-8000-000000000000" },
      "FIELD_INVALID",
      "name",
    ],
    ["a long instance id", { instanceId: "x".repeat(65) }, "FIELD_TOO_LARGE", "instance_id"],
    [
      "a long summary",
      { profile: { summary: "x".repeat(501) } },
      "FIELD_TOO_LARGE",
      "profile.summary",
    ],
  ])("refuses %s", async (_what, request, reason, field) => {
    const call = broker.join(request);
    expect(await reasonOf(call)).toBe(reason);
    await expect(call).rejects.toThrow(field);
  });

  test("a lost connection frees the name at once, and others see the peer leave later", async () => {
    const peer = await broker.join({ name: "api", instanceId: "1", kind: agent });
    const watcher = await broker.join({ name: "watcher", instanceId: "2" });
    const stream = peer.subscribe();
    await stream.expect("started");
    peer.cut();
    const next = await eventually(() =>
      broker
        .join({ name: "api", instanceId: "3", kind: agent, keyring: [peer.secret] })
        .then((joined) => {
          expect(joined.registered.created).toBe(false);
          return joined;
        }),
    );
    expect(next.name).toBe("api");
    const { peers } = await watcher.client.listPeers({});
    expect(peers.find(({ name }) => name === "api")?.online).toBe(true);
  });
});

test("after a restart, a peer that was live waits for its former instance", async () => {
  const clock = new StoppedClock();
  const store = openMemoryStore({ clock });
  const before = await startTestBroker({ store, clock, keepStore: true });
  const holder = await before.join({ name: "api", instanceId: "former" });
  const stream = holder.subscribe();
  await stream.expect("started");
  await before[Symbol.asyncDispose]();

  await using after = await startTestBroker({ store, clock });
  const usurper = after.join({ keyring: [holder.secret], name: "api", instanceId: "usurper" });
  const back = await after.join({ secret: holder.secret, instanceId: "former" });
  const held = back.subscribe();
  await held.expect("started");
  expect(back.name).toBe("api");
  expect((await usurper).name, "what it gets once the former one is back").toBe("api-2");
  await held.cancel();
});

/** What the broker says of a peer that was another's before. */
function factsOf({ provisional, boundPeer }: RegisterResponse): unknown[] {
  return [provisional, boundPeer?.name];
}

/** What waits for a peer, read from a stream of its own. */
async function textsOf(peer: TestPeer): Promise<(string | undefined)[]> {
  const stream = peer.subscribe();
  const started = await stream.expect("started");
  const texts = [];
  for (let count = 0; count < Number(started.peer?.waitingMessages); count++) {
    texts.push((await stream.expect("delivery")).message?.text);
  }
  await stream.cancel();
  return texts;
}

test("a clock that is set back after an unclean end keeps nobody waiting", async () => {
  const clock = new StoppedClock();
  const store = openMemoryStore({ clock });
  const before = await startTestBroker({ store, clock, keepStore: true });
  const holder = await before.join({ name: "api", instanceId: "killed" });
  const stream = holder.subscribe();
  await stream.expect("started");
  await before[Symbol.asyncDispose]();

  await using after = await startTestBroker({ store, clock });
  clock.setForward(-hourMs);
  const returning = after.join({ keyring: [holder.secret], name: "api", instanceId: "next" });
  clock.advance(reclaimDelayMs);
  expect((await returning).registered).toMatchObject({ created: false });
});

test("a conversation goes on as the peer it had last, though the clock was set back between", async () => {
  const clock = new StoppedClock();
  const store = openMemoryStore({ clock });
  const conversationId = "codex:t1";
  await using broker = await startTestBroker({ store, clock });
  const first = await broker.join({ name: "first", conversationId, instanceId: "1" });
  await first.client.unregister({});
  clock.setForward(-hourMs);
  const second = await broker.join({ name: "second", conversationId, instanceId: "2" });
  await second.client.unregister({});
  const keyring = [first.secret, second.secret];
  const resumed = await broker.join({ keyring, conversationId, instanceId: "3" });
  expect(resumed.name).toBe("second");
});

const hourMs = 3_600_000;
