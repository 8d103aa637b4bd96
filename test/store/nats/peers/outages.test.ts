import { cpSync, rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../../../src/clock.js";
import { removalMemoryMs, removalSweepMs } from "../../../../src/store/nats/limits.js";
import { openStreams, streamNames } from "../../../../src/store/nats/streams.js";
import { peer } from "../../../contract/store/peers.js";
import { machine, presence } from "../../../contract/store/records.js";
import { isNatsMissing } from "../../../support/nats-programs.js";
import { StoppedClock } from "../../../support/stopped-clock.js";
import { eventually } from "../../../support/test-broker.js";
import { optionsFor, startCluster, startServer } from "../open-link.js";
import { openPartOf } from "./open-peers.js";
import { watchRecords } from "./told-records.js";

describe.skipIf(isNatsMissing())("records over NATS", () => {
  test("are changed once a server that was killed is there again, and nothing is missed", async () => {
    const server = await startServer();
    const [one, other] = [
      await openPartOf(optionsFor(server)),
      await openPartOf(optionsFor(server)),
    ];
    const told = await watchRecords(other.peers);
    await one.peers.create(peer("api"));
    await one.peers.announce("p1", presence);
    await eventually(() => expect(told.presences.size).toBe(1));
    await server.kill();
    await eventually(() => expect(one.link.state.state).toBe("lost"));
    const late = [
      one.peers.create(peer("web")),
      other.peers.update({ ...peer("api"), name: "backend", revision: 2 }),
    ];
    await one.peers.announce("p2", presence);
    expect(told.peers.get(peer("api").peerId)?.name).toBe("api");
    await server.restart();
    await Promise.all(late);
    const names = (): string[] => [...told.peers.values()].map(({ name }) => name).toSorted();
    await eventually(() => expect(names()).toEqual(["backend", "web"]));
    await eventually(() => expect([...told.presences.keys()].toSorted()).toEqual(["p1", "p2"]));
    // Who was there all the time was never called gone.
    expect(told.epochs.get("p1")).toEqual([3]);
  });

  test("are changed through an election", async () => {
    const cluster = await startCluster();
    const nats = optionsFor(cluster);
    const [one, other] = [await openPartOf(nats), await openPartOf(nats)];
    const told = await watchRecords(other.peers);
    await one.peers.create(peer("api"));
    await one.peers.announce("p1", presence);
    const leader = await cluster.leaderOf(streamNames(nats.prefix).peers);
    await leader.kill();
    const changes = [
      untilKnown(() => one.peers.create({ ...peer("a"), name: "web" })),
      untilKnown(() => other.peers.create({ ...peer("b"), name: "web" })),
    ];
    expect((await Promise.all(changes)).toSorted()).toEqual(["NAME_TAKEN", "done"]);
    await untilKnown(() => one.peers.update({ ...peer("api"), revision: 2 }));
    await eventually(() => expect(told.peers.get(peer("api").peerId)?.revision).toBe(2));
    await leader.restart();
    await untilKnown(() => one.peers.update({ ...peer("api"), revision: 3 }));
    await eventually(() => expect(told.peers.get(peer("api").peerId)?.revision).toBe(3));
    expect(told.shared).toEqual([]);
    expect(told.epochs.get("p1")).toEqual([3]);
  });

  test("may be changed again where it is not known whether they were, and can be read meanwhile", async () => {
    const server = await startServer({ isRelayed: true });
    const direct = await openPartOf(optionsFor({ url: `nats://127.0.0.1:${server.port}` }));
    const cut = await openPartOf(optionsFor(server));
    const told = await watchRecords(cut.peers);
    await cut.peers.create(peer("api"));
    const updated = { ...peer("api"), name: "backend", revision: 2 };
    server.relay.hold("answers");
    const update = cut.peers.update(updated).catch((error: unknown) => error);
    const creation = cut.peers.create(peer("web")).catch((error: unknown) => error);
    const seen = await watchRecords(direct.peers);
    await eventually(() => expect(seen.peers.get(updated.peerId)).toEqual(updated));
    expect(told.peers.get(updated.peerId)?.name).toBe("api");
    // What others do meanwhile is not missed, removals neither.
    await direct.peers.create(peer("other"));
    await direct.peers.create(peer("gone"));
    await direct.peers.remove(peer("gone").peerId);
    for (const outcome of await Promise.all([update, creation])) {
      expect(outcome).toMatchObject({ code: "UNAVAILABLE" });
    }
    server.relay.hold();
    await cut.peers.update(updated);
    await cut.peers.create(peer("web"));
    const other = cut.peers.update({ ...updated, epoch: 9 });
    await expect(other).rejects.toMatchObject({ code: "CONFLICT" });
    const last = await watchRecords(direct.peers);
    expect([...last.peers.values()].map(({ name }) => name).toSorted()).toEqual([
      "backend",
      "other",
      "web",
    ]);
    await eventually(() => expect(told.peers).toEqual(last.peers));
  });

  test("are read anew where their stream was made again", async () => {
    const server = await startServer();
    const nats = optionsFor(server);
    const [one, other] = [await openPartOf(nats), await openPartOf(nats)];
    const told = await watchRecords(one.peers);
    for (const name of ["a", "b", "c"]) await one.peers.create(peer(name));
    await one.peers.putMachine(machine);
    const { streams } = one.link.manager;
    await streams.delete(streamNames(nats.prefix).peers);
    await openStreams({ link: one.link, clock: systemClock, nats, mailBytes: 1024 * 1024 });
    await other.peers.create(peer("e"));
    await eventually(() => {
      expect([...told.peers.values()]).toEqual([peer("e")]);
      expect(told.machines.size).toBe(0);
    });
    await one.peers.create({ ...peer("f"), name: "a" });
  });

  test("are read anew where the server has lost the last of what it stored, and stored others since", async () => {
    const server = await startServer({ isRelayed: true });
    const one = await openPartOf(optionsFor(server));
    const told = await watchRecords(one.peers);
    await one.peers.create(peer("api"));
    await server.stop();
    const copy = `${server.storeFolder}-copy`;
    cpSync(server.storeFolder, copy, { recursive: true });
    await server.restart();
    await one.peers.create(peer("lost"));
    await eventually(() => expect(told.peers.size).toBe(2));
    server.relay.hold("asks", "answers");
    await server.stop();
    rmSync(server.storeFolder, { recursive: true });
    cpSync(copy, server.storeFolder, { recursive: true });
    await server.restart();
    const other = await openPartOf(optionsFor({ url: `nats://127.0.0.1:${server.port}` }));
    for (const name of ["b", "c", "d"]) await other.peers.create(peer(name));
    server.relay.hold();
    const names = (): string[] => [...told.peers.values()].map(({ name }) => name).toSorted();
    await eventually(() => expect(names()).toEqual(["api", "b", "c", "d"]));
    await one.peers.create(peer("lost"));
  });

  test("tell where a user's permissions end", async () => {
    const password = "secret";
    const allowed = ["_INBOX.>", "peerline.peers.>"];
    const deny = `subscribe: { allow: ${JSON.stringify(allowed)} }`;
    const config = `authorization { users: [{ user: u, password: ${password}, permissions: { ${deny} } }] }`;
    const server = await startServer({ config });
    const login = () => ({ kind: "password", user: "u", password }) as const;
    const one = await openPartOf(optionsFor(server, { login }));
    await one.peers.create(peer("api"));
    await eventually(() => {
      expect(one.told).toContain(
        "what other brokers say of sessions is not heard: NATS does not let this broker subscribe to peerline.sessions.all: give its user that permission.",
      );
    });
  });

  test("are left out where they cannot be read, which is told once", async () => {
    const server = await startServer();
    const nats = optionsFor(server);
    const one = await openPartOf(nats);
    await one.peers.create(peer("api"));
    await one.peers.putMachine(machine);
    const client = one.link.manager.jetstream();
    const spoilt = [
      "",
      "{",
      "null",
      "[]",
      '{"peerId":1}',
      JSON.stringify({ ...peer("x"), kind: 77 }),
    ];
    for (const [index, text] of spoilt.entries()) {
      await client.publish(`${nats.prefix}.peers.peer.x${index}`, text);
    }
    await client.publish(`${nats.prefix}.peers.peer.api-id`, "\u0000\u001b[31m");
    await client.publish(`${nats.prefix}.peers.other.thing`, "x");
    const other = await openPartOf(nats);
    const told = await watchRecords(other.peers);
    await watchRecords(one.peers);
    expect([...told.peers.keys()]).toEqual([]);
    expect([...told.machines.values()]).toEqual([machine]);
    for (const part of [one, other]) expect(part.told).toHaveLength(spoilt.length + 2);
    expect(other.told[0]).toBe(
      `the record ${nats.prefix}.peers.peer.x0 of JetStream cannot be read (sequence 3); it was left out`,
    );
    // Whoever had it whole may write it again.
    await one.peers.update({ ...peer("api"), revision: 2 });
    await eventually(() => expect([...told.peers.values()]).toHaveLength(1));

    await client.publish(`${nats.prefix}.peers.machines`, '{"machines":[{}],"enrolments":[]}');
    const lost = one.peers.putMachine({ ...machine, revision: 2 });
    await expect(lost).rejects.toMatchObject({ code: "DATA_LOSS" });
  });

  test("keep no mark of a peer that was removed an hour ago", async () => {
    const server = await startServer();
    const nats = optionsFor(server);
    const clock = new StoppedClock();
    const [one, other] = [await openPartOf(nats, { clock }), await openPartOf(nats)];
    const told = await watchRecords(other.peers);
    const count = async (): Promise<number> => {
      const { streams } = one.link.manager;
      return (await streams.info(streamNames(nats.prefix).peers)).state.messages;
    };
    await one.peers.create(peer("api"));
    await one.peers.remove(peer("api").peerId);
    await one.peers.create(peer("web"));
    await eventually(() => expect(told.peers.size).toBe(1));
    clock.advance(removalMemoryMs - 1);
    await clock.pass(1);
    expect(await count()).toBe(2);
    await eventually(async () => {
      await clock.pass(2 * removalSweepMs);
      expect(await count()).toBe(1);
    });
    for (const { peers } of [one, other]) {
      expect(await peers.remove(peer("api").peerId)).toBe(true);
    }
    await one.peers.create(peer("api"));
    await other.peers.update({ ...peer("api"), revision: 2 });
  });

  test("are not disturbed by messages between brokers that are none", async () => {
    const server = await startServer();
    const nats = optionsFor(server);
    const one = await openPartOf(nats);
    const told = await watchRecords(one.peers);
    const run = "00000000-0000-4000-8000-000000000000";
    const huge = Number.MAX_SAFE_INTEGER;
    const messages: unknown[] = [
      "",
      [],
      { kind: "beat" },
      { kind: "beat", run: "*", serial: 1 },
      { kind: "said", run, serial: 1, peerId: "p1", presence: {} },
      { kind: "said", run, serial: 1, peerId: "p1", presence: { ...presence, reach: 99 } },
      { kind: "all", run, serial: 1, part: 0, parts: 2 ** 31, said: [] },
      { kind: "all", run, serial: 1, part: 2, parts: 2, said: [] },
      { kind: "ask", run: ">" },
      // These are well-formed, and all the same of no use.
      { kind: "end", run },
      { kind: "ask", run },
      { kind: "beat", run, serial: huge },
      { kind: "said", run, serial: huge, peerId: "__proto__", presence },
    ];
    for (const message of messages) {
      one.link.connection.publish(`${nats.prefix}.sessions.all`, JSON.stringify(message));
      one.link.connection.publish(`${nats.prefix}.sessions.hello`, JSON.stringify(message));
    }
    const other = await openPartOf(nats);
    await other.peers.announce("p1", presence);
    await eventually(() => expect(told.presences.size).toBe(1));
    expect(one.told).toEqual([
      `a message on ${nats.prefix}.sessions.all of NATS cannot be read; such messages are left out`,
    ]);
  });
});

/** Repeats a call while its outcome is not known: on a busy machine an election takes longer than a call waits. */
async function untilKnown(call: () => Promise<void>): Promise<string> {
  for (;;) {
    const outcome = await call().then(
      () => "done",
      ({ code }: { code: string }) => code,
    );
    if (outcome !== "UNAVAILABLE") return outcome;
  }
}
