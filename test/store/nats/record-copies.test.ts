import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.js";
import type { RecordStore } from "../../../src/broker/store/transfer.js";
import { moveRecords } from "../../../src/store/move-records.js";
import type { NatsOptions } from "../../../src/contract/nats-options.js";
import { openNatsSource, openNatsTarget } from "../../../src/store/nats/nats-records.js";
import { linesOf, steps, takeStep } from "../../contract/store/move-steps.js";
import { draft, bob } from "../../contract/store/drafts.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { StoppedClock } from "../../support/stopped-clock.js";
import { openMemoryStore } from "../memory/memory-store.js";
import { optionsFor, startCluster, startServer } from "./open-link.js";

const clock = new StoppedClock(Date.UTC(2026, 0, 1));

function place(nats: NatsOptions) {
  return { nats, version: "1.2.3", clock: systemClock, mailBytes: 2 ** 28 };
}

describe.skipIf(isNatsMissing())("records that are moved into JetStream", () => {
  test("come back as they were", async () => {
    const server = await startServer();
    let team = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const nats = optionsFor(server, { prefix: `team-${(team += 1)}` });
        const source = openMemoryStore({ clock });
        for (const one of taken) await takeStep(source, clock, one);
        await using target = await openNatsTarget(place(nats), { again: false, begun: "now" });
        const there = await moveRecords({ from: source.records, to: target.records });
        expect(there).toMatchObject({ different: [], leftOut: [] });
        await target.keep();
        await using kept = await openNatsSource(place(nats));
        const back = openMemoryStore({ clock });
        expect(await moveRecords({ from: kept.records, to: back.records })).toMatchObject({
          different: [],
          leftOut: [],
        });
        expect(await linesOf(back)).toEqual(await linesOf(source));
      }),
      { numRuns: 12 },
    );
  });

  test("keep their order, on three servers of which the leader is killed meanwhile", async () => {
    const cluster = await startCluster();
    const nats = optionsFor(cluster);
    const source = openMemoryStore({ clock, limits: { maxQueueMessages: 100_000 } });
    for (let number = 0; number < 3_000; number += 1) {
      await source.queues.enqueue(draft({ text: `${number}` }), [bob]);
    }
    await using target = await openNatsTarget(place(nats), { again: false, begun: "now" });
    const leader = await cluster.leaderOf("peerline-mail");
    let killing: Promise<void> | undefined;
    const proof = await moveRecords({
      from: inPages(source.records, 250),
      to: target.records,
      onPage: (records) => {
        if (records >= 1_000) killing ??= leader.kill();
      },
    });
    await killing;
    expect(proof).toMatchObject({ different: [], leftOut: [] });
    expect(proof.target.counts.delivery).toBe(3_000);
    expect(leader.isRunning).toBe(false);
  });
});

/** Hands out no more than so many records at once. */
function inPages(records: RecordStore, length: number): RecordStore {
  return {
    ...records,
    async *export(leftOut) {
      for await (const page of records.export(leftOut)) {
        for (let from = 0; from < page.length; from += length) {
          yield page.slice(from, from + length);
        }
      }
    },
  };
}
