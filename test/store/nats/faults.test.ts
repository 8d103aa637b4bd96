import { DiscardPolicy, StorageType } from "@nats-io/jetstream";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.js";
import type { Link } from "../../../src/store/nats/connect.js";
import { Publisher, type PublishOutcome } from "../../../src/store/nats/publish.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import type { NatsCluster } from "../../support/nats-cluster.js";
import { eventually } from "../../support/test-broker.js";
import { openLink, optionsFor, startCluster } from "./open-link.js";

/** Faults, one after another, in each version; with PEERLINE_NATS_FAULTS as many as it says. */
const faults = Number(process.env["PEERLINE_NATS_FAULTS"] ?? 3);
const stream = "s";

/** What one fault does; it resolves when all servers run again. */
const kinds: readonly ((cluster: NatsCluster, links: readonly Link[]) => Promise<void>)[] = [
  async (cluster) => {
    const leader = await cluster.leaderOf(stream);
    await leader.kill();
    await leader.restart();
  },
  async (cluster) => {
    await cluster.killAll();
    await cluster.restartAll();
  },
  async (_, links) => {
    for (const { connection } of links) await connection.reconnect();
  },
  async (cluster) => {
    const leader = await cluster.leaderOf(stream);
    await leader.pause();
    await eventually(async () => expect(await cluster.leaderOf(stream)).not.toBe(leader));
    leader.resume();
  },
];

const versions = process.env["PEERLINE_NATS_FAULTS"] === undefined ? ["2.10"] : ["2.10", "newest"];

test.skipIf(isNatsMissing()).each(versions)(
  "what two gateways were told is stored is there, once, after servers were killed and cut off: %s",
  async (version) => {
    const cluster = await startCluster({ version });
    const nats = optionsFor(cluster);
    const links = [await openLink(nats), await openLink(nats)] as const;
    const { streams } = links[0].manager;
    const config = {
      name: stream,
      subjects: ["s.>"],
      storage: StorageType.File,
      max_msgs_per_subject: 1,
      discard: DiscardPolicy.New,
      num_replicas: 3,
    };
    await eventually(() => streams.add({ ...config }));
    const over = new AbortController();
    const workers = links.flatMap((link) => {
      const publisher = new Publisher({ link, clock: systemClock });
      onTestFinished(() => publisher[Symbol.asyncDispose]());
      return [
        ...Array.from({ length: 4 }, () => addMessages(publisher, over.signal)),
        ...Array.from({ length: 3 }, (_, index) =>
          countUp(`s.counter.${index}`, { link, publisher }, over.signal),
        ),
      ];
    });
    for (let fault = 0; fault < faults; fault += 1) {
      await kinds[fault % kinds.length]?.(cluster, links);
      await cluster.waitReady();
    }
    over.abort();
    const told = await Promise.all(workers);
    await cluster.waitReady();

    const messages = told.flatMap(({ stored }) => stored);
    expect(messages.length).toBeGreaterThan(0);
    for (const { subject, seq } of messages) {
      const kept = await eventually(() => streams.getMessage(stream, { seq }));
      expect(kept?.subject).toBe(subject);
    }
    // Each message had a subject of its own: nobody else's can have been in its way.
    expect(told.flatMap(({ wrong }) => wrong)).toEqual([]);
    for (const subject of [0, 1, 2].map((index) => `s.counter.${index}`)) {
      const counters = told.filter((one) => one.subject === subject);
      const sum = counters.reduce((total, { counted }) => total + counted, 0);
      const unknown = counters.reduce((total, one) => total + one.unknown, 0);
      const last = await eventually(() => streams.getMessage(stream, { last_by_subj: subject }));
      const value = Number(last?.string());
      expect({ isLost: value < sum, isTwice: value > sum + unknown }).toEqual({
        isLost: false,
        isTwice: false,
      });
    }
  },
  faults * 60_000,
);

/** What one worker was told. */
interface Told {
  readonly subject?: string;
  readonly stored: { subject: string; seq: number }[];
  readonly wrong: PublishOutcome[];
  counted: number;
  /** Publishes of which it is not known whether they were stored. */
  unknown: number;
}

let messages = 0;

async function addMessages(publisher: Publisher, over: AbortSignal): Promise<Told> {
  const told: Told = { stored: [], wrong: [], counted: 0, unknown: 0 };
  while (!over.aborted) {
    const subject = `s.message.${messages++}`;
    const payload = Buffer.from(subject);
    const expected = { lastSubjectSeq: 0 };
    const outcome = await publisher.publish({ stream, subject, payload, expect: expected });
    if (outcome.state === "stored") told.stored.push({ subject, seq: outcome.seq });
    else if (outcome.state !== "unavailable") told.wrong.push(outcome);
  }
  return told;
}

/** Adds one to a number, again and again, against all who do the same. */
async function countUp(
  subject: string,
  { link, publisher }: { link: Link; publisher: Publisher },
  over: AbortSignal,
): Promise<Told> {
  const told: Told = { subject, stored: [], wrong: [], counted: 0, unknown: 0 };
  while (!over.aborted) {
    const last = await eventually(() =>
      link.manager.streams.getMessage(stream, { last_by_subj: subject }),
    );
    const payload = Buffer.from(String(Number(last?.string() ?? 0) + 1));
    const expected = { lastSubjectSeq: last?.seq ?? 0 };
    const outcome = await publisher.publish({ stream, subject, payload, expect: expected });
    if (outcome.state === "stored") told.counted += 1;
    else if (outcome.state === "unavailable") told.unknown += 1;
    else if (outcome.state !== "conflict") told.wrong.push(outcome);
    else if (outcome.uncertain) told.unknown += 1;
  }
  return told;
}
