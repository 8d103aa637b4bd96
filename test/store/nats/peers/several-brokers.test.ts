import fc from "fast-check";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { MachineScope } from "../../../../gen/peerline/v1/machine_pb.js";
import type { PeerStore } from "../../../../src/broker/store/peers.js";
import { peer } from "../../../contract/store/peers.js";
import { presence } from "../../../contract/store/records.js";
import { buildProgram } from "../../../support/build-program.js";
import { startNatsCluster, type NatsCluster } from "../../../support/nats-cluster.js";
import { isNatsMissing } from "../../../support/nats-programs.js";
import { eventually } from "../../../support/test-broker.js";
import { optionsFor } from "../open-link.js";
import { newPrefix, openPartOf } from "./open-peers.js";
import { watchRecords } from "./told-records.js";

const rounds = Number(process.env["PEERLINE_NAME_ROUNDS"] ?? 200);

describe.skipIf(isNatsMissing())("two brokers over three NATS servers", () => {
  let cluster: NatsCluster;
  beforeAll(async () => {
    cluster = await startNatsCluster();
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  /** Two brokers with links of their own. */
  const openTwo = async (): Promise<[PeerStore, PeerStore]> => {
    const nats = optionsFor(cluster, { prefix: newPrefix() });
    const [one, other] = [await openPartOf(nats), await openPartOf(nats)];
    return [one.peers, other.peers];
  };

  test("that are asked to create one name at once make one, each time", async () => {
    const stores = await openTwo();
    const winners = [0, 0];
    for (let round = 0; round < rounds; round++) {
      const name = `n${round}`;
      const asked = round % 2 === 0 ? stores : stores.toReversed();
      const outcomes = await Promise.all(
        asked.map((store, place) =>
          store.create({ ...peer(`${name}-${place}`), name }).then(
            () => "made",
            (error: { code: string }) => error.code,
          ),
        ),
      );
      expect(outcomes.toSorted()).toEqual(["NAME_TAKEN", "made"]);
      const first = outcomes.indexOf("made");
      winners[round % 2 === 0 ? first : 1 - first]! += 1;
    }
    const told = await watchRecords(stores[0]);
    expect(told.peers.size).toBe(rounds);
    expect(told.shared).toEqual([]);
    // Neither is always the first.
    expect(Math.min(...winners)).toBeGreaterThan(0);
  });

  test("let no two peers hold one name, however wildly both rename, create and remove", async () => {
    const step = fc.record({
      store: fc.nat({ max: 1 }),
      letter: fc.constantFrom("a", "b", "c", "d"),
      name: fc.constantFrom("x", "y", "z"),
      isRemoval: fc.boolean(),
    });
    type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
    const stores = await openTwo();
    const told = await Promise.all(stores.map(watchRecords));
    const take = async ({ store, letter, name, isRemoval }: Step): Promise<unknown> => {
      const peers = stores[store]!;
      const next = { ...peer(letter), name };
      const present = told[store]!.peers.get(next.peerId);
      if (isRemoval && present !== undefined) return peers.remove(next.peerId);
      if (present === undefined) return peers.create(next);
      return peers.update({ ...next, revision: present.revision + 1 });
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        const codes = await Promise.all(
          steps.map((one) =>
            take(one).then(
              () => "done",
              (error: { code?: string; message: string }) => error.code ?? error.message,
            ),
          ),
        );
        const allowed = ["done", "NAME_TAKEN", "SECRET_TAKEN", "CONFLICT", "NOT_FOUND"];
        expect(codes.filter((code) => !allowed.includes(code))).toEqual([]);
        const last = await watchRecords(stores[0]);
        for (const { peers, shared } of [...told, last]) {
          expect(shared).toEqual([]);
          await eventually(() => expect(peers).toEqual(last.peers));
        }
      }),
      { numRuns: 20 },
    );
  });

  test("take each use of a token to enrol with once", async () => {
    const stores = await openTwo();
    const tokenHash = "ab";
    const expireTimeMs = Date.now() + 60_000;
    const token = { tokenHash, scope: MachineScope.AGENT, usesLeft: 5, expireTimeMs };
    expect(await stores[0].createEnrolment(token, 8)).toBe(true);
    const uses = await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        stores[index % 2]!.enrol(tokenHash, {
          machineId: `m${index}`,
          name: `machine-${index}`,
          credentialHash: `c${index}`,
          createTimeMs: 1,
          lastUseMs: 1,
          lastUseAddress: "192.0.2.7",
        }),
      ),
    );
    const letIn = uses.filter(({ state }) => state === "taken");
    expect(letIn).toHaveLength(5);
    expect(uses.filter(({ state }) => state === "used")).toHaveLength(11);
    for (const store of stores) {
      expect((await watchRecords(store)).machines.size).toBe(5);
      expect(await store.listEnrolments()).toEqual([]);
    }
  });

  test("hear of each other's sessions, of which the newest stands", async () => {
    const [one, other] = await openTwo();
    const told = await watchRecords(other);
    await one.announce("p1", presence);
    await eventually(() => expect(told.presences.get("p1")).toEqual(presence));
    const newer = { ...presence, brokerId: "b2", epoch: 4 };
    await other.announce("p1", newer);
    // The one that has lost it hears of that later.
    await one.announce("p1", { ...presence, online: false });
    await one.announce("p1", undefined);
    const late = await watchRecords(one);
    await eventually(() => expect(late.presences.get("p1")).toEqual(newer));
    await other.announce("p1", undefined);
    await eventually(() => expect(late.presences.size).toBe(0));
    expect(told.epochs.get("p1")).toEqual([3, 4, 0]);
  });

  test("hear of all sessions of one that was there before, and of their end with it", async () => {
    const nats = optionsFor(cluster, { prefix: newPrefix() });
    const first = await openPartOf(nats);
    const ids = Array.from({ length: 500 }, (_, index) => `p${index}`);
    for (const id of ids)
      await first.peers.announce(id, { ...presence, instanceId: "i".repeat(300) });
    const second = await openPartOf(nats);
    const told = await watchRecords(second.peers);
    await eventually(() => expect(told.presences.size).toBe(ids.length));
    await first[Symbol.asyncDispose]();
    await eventually(() => expect(told.presences.size).toBe(0));
  });

  test("see that one was killed, without a word of it", async () => {
    const prefix = newPrefix();
    const { peers } = await openPartOf(optionsFor(cluster, { prefix }));
    const told = await watchRecords(peers);
    const folder = mkdtempSync(join(tmpdir(), "pl-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const program = await buildProgram(new URL("announcer.ts", import.meta.url), folder);
    const server = new URL(cluster.urls[0] ?? "").host;
    const args = [program, server, prefix, "p1", JSON.stringify(presence)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    await eventually(() => expect(told.presences.get("p1")).toEqual(presence));
    child.kill("SIGKILL");
    await once(child, "exit");
    const killedMs = performance.now();
    await eventually(() => expect(told.presences.size).toBe(0));
    console.info(`a killed broker was seen after ${Math.round(performance.now() - killedMs)} ms`);
  });
});
