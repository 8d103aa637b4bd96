import { DiscardPolicy, StorageType, type StreamConfig } from "@nats-io/jetstream";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.js";
import type { Link } from "../../../src/store/nats/connect.js";
import type { NatsOptions } from "../../../src/contract/nats-options.js";
import { Publisher, type PublishOutcome } from "../../../src/store/nats/publish.js";
import { findNatsServers, isNatsMissing } from "../../support/nats-programs.js";
import { eventually } from "../../support/test-broker.js";
import { openLink, optionsFor, startCluster, startServer } from "./open-link.js";

const stream = "s";
const payload = Buffer.from("text");
const usable = findNatsServers().filter(({ version }) => !version.startsWith("2.9."));

describe.skipIf(isNatsMissing())("publishing to a stream", () => {
  describe.each(usable)("in version $version", ({ version }) => {
    test("stores what is as expected, and says what is not", async () => {
      const { publisher, link } = await open({ version });
      const publish = (subject: string, lastSubjectSeq: number) =>
        publisher.publish({ stream, subject, payload, expect: { lastSubjectSeq } });
      expect(await publish("s.a", 0)).toEqual({ state: "stored", seq: 1 });
      expect(await publish("s.a", 0)).toEqual({ state: "conflict", uncertain: false });
      expect(await publish("s.a", 1)).toEqual({ state: "stored", seq: 2 });
      expect(await publish("s.a", 1)).toEqual({ state: "conflict", uncertain: false });
      expect(await publish("s.b", 2)).toEqual({ state: "conflict", uncertain: false });
      expect(
        await publisher.publish({ stream, subject: "s.b", payload, expect: { lastSeq: 1 } }),
      ).toEqual({ state: "conflict", uncertain: false });
      expect(
        await publisher.publish({
          stream,
          subject: "s.b",
          payload,
          headers: { Name: "välue" },
          expect: { lastSeq: 2 },
        }),
      ).toEqual({ state: "stored", seq: 3 });
      const kept = await link.manager.streams.getMessage(stream, { seq: 3 });
      expect(kept?.string()).toBe("text");
      expect(kept?.header.get("Name")).toBe("välue");
    });

    test("takes one of each subject where the stream does", async () => {
      const { publisher } = await open({ version }, { discard_new_per_subject: true });
      const publish = () => publisher.publish({ stream, subject: "s.a", payload });
      expect(await publish()).toMatchObject({ state: "stored" });
      expect(await publish()).toEqual({ state: "conflict", uncertain: false });
    });

    test("says of a full stream that it is full, and of a message that it is too large", async () => {
      const { publisher, link } = await open({ version }, { max_bytes: 1000, max_msg_size: 900 });
      const publish = (subject: string, bytes: number, expect?: { lastSubjectSeq: number }) =>
        publisher.publish({
          stream,
          subject,
          payload: Buffer.alloc(bytes),
          ...(expect === undefined ? {} : { expect }),
        });
      expect(await publish("s.a", 700)).toMatchObject({ state: "stored" });
      const full = {
        state: "full",
        words: "JetStream has no room for more (maximum bytes exceeded).",
      };
      expect(await publish("s.b", 700)).toEqual(full);
      expect(await publish("s.b", 700, { lastSubjectSeq: 0 })).toEqual(full);
      expect(await publish("s.b", 950)).toMatchObject({
        state: "refused",
        words: expect.stringContaining("message size exceeds maximum allowed"),
      });
      expect(await publish("s.b", 2_000_000)).toMatchObject({
        state: "refused",
        words: expect.stringContaining("max_payload"),
      });
      expect(await publish("s.b c", 1)).toMatchObject({ state: "refused" });
      // It goes on as soon as there is room.
      await link.manager.streams.deleteMessage(stream, 1, false);
      expect(await publish("s.b", 700)).toMatchObject({ state: "stored" });
    });

    test("knows its own earlier try, whose answer was lost, from another's message", async () => {
      const { publisher, server, link } = await open({ version, isRelayed: true });
      for (const [index, expected] of [{ lastSubjectSeq: 0 }, { lastSeq: 1 }].entries()) {
        server.relay.hold("answers");
        const subject = `s.${index}`;
        const mine = publisher.publish({ stream, subject, payload, expect: expected });
        await eventually(async () => expect(await lastSeqOf(server)).toBe(index + 1));
        // The answer is lost with the connection, and the next try meets what the first one left.
        await link.connection.reconnect();
        server.relay.hold();
        expect(await mine).toEqual({ state: "stored", seq: index + 1 });
      }
      expect(await lastSeqOf(server)).toBe(2);
      const taken = await publisher.publish({
        stream,
        subject: "s.0",
        payload,
        expect: { lastSubjectSeq: 0 },
      });
      expect(taken).toEqual({ state: "conflict", uncertain: false });
    });
  });

  test("tries again while the server is gone, and stores once what was under way", async () => {
    const { publisher, server, link } = await open({ syncsAlways: true });
    const outcomes: Promise<PublishOutcome>[] = [];
    const publish = (index: number) =>
      publisher.publish({
        stream,
        subject: `s.${index}`,
        payload,
        expect: { lastSubjectSeq: 0 },
        deadlineMs: 30_000,
      });
    for (let index = 0; index < 100; index += 1) outcomes.push(publish(index));
    await server.kill();
    for (let index = 100; index < 200; index += 1) outcomes.push(publish(index));
    await server.restart();
    expect(new Set((await Promise.all(outcomes)).map(({ state }) => state))).toEqual(
      new Set(["stored"]),
    );
    expect((await link.manager.streams.info(stream)).state.messages).toBe(200);
  });

  test("ends as unavailable at its deadline, with the reason", async () => {
    const { publisher, server } = await open();
    await server.pause();
    expect(
      await publisher.publish({ stream, subject: "s.a", payload, deadlineMs: 200 }),
    ).toMatchObject({ state: "unavailable", words: expect.stringContaining("did not answer") });
    server.resume();
    await server.kill();
    const gone = await publisher.publish({ stream, subject: "s.a", payload, deadlineMs: 200 });
    expect(gone).toMatchObject({ state: "unavailable", words: expect.stringMatching(/NATS/) });
  });

  test("tries once where none has come through for long, and is patient again afterwards", async () => {
    const { publisher, server } = await open();
    await server.kill();
    const publish = () => publisher.publish({ stream, subject: "s.a", payload, deadlineMs: 4_000 });
    const beganMs = performance.now();
    expect(await publish()).toMatchObject({ state: "unavailable" });
    const firstMs = performance.now() - beganMs;
    expect(await publish()).toMatchObject({ state: "unavailable" });
    expect(performance.now() - beganMs - firstMs).toBeLessThan(firstMs);
    await server.restart();
    await eventually(async () => expect(await publish()).toMatchObject({ state: "stored" }));
    await server.kill();
    const outlasts = publish();
    await server.restart();
    expect(await outlasts).toMatchObject({ state: "stored" });
  });

  test("says that no stream takes a subject, or another one does", async () => {
    const { publisher, link } = await open();
    expect(
      await publisher.publish({ stream, subject: "none", payload, deadlineMs: 200 }),
    ).toMatchObject({ state: "unavailable" });
    await link.manager.streams.add({ name: "t", subjects: ["t.>"] });
    expect(await publisher.publish({ stream, subject: "t.a", payload })).toMatchObject({
      state: "refused",
      words: expect.stringContaining("10060"),
    });
  });

  test("names the permission that is missing", async () => {
    const config = `authorization { users: [{ user: a, password: b,
      permissions: { publish: { deny: "s.secret" } } }] }`;
    const { publisher } = await open({ config }, {}, (nats) => ({
      ...nats,
      login: () => ({ kind: "password", user: "a", password: "b" }),
    }));
    expect(await publisher.publish({ stream, subject: "s.secret", payload })).toEqual({
      state: "refused",
      words: "NATS does not let this broker publish to s.secret: give its user that permission.",
    });
  });

  test("keeps the order of a lane through the loss of its server", async () => {
    const { publisher, server, link } = await open({ isRelayed: true });
    const publish = (index: number) =>
      publisher.publish({
        stream,
        subject: `s.${index}`,
        payload,
        lane: "a",
        expect: { lastSubjectSeq: 0 },
        deadlineMs: 30_000,
      });
    const first = Array.from({ length: 20 }, (_, index) => publish(index));
    await first[3];
    server.relay.hold("asks");
    const second = Array.from({ length: 20 }, (_, index) => publish(20 + index));
    await server.restart();
    server.relay.hold();
    const outcomes = await Promise.all([...first, ...second]);
    const seqs = outcomes.map((outcome) => (outcome.state === "stored" ? outcome.seq : 0));
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(seqs[0]).toBeGreaterThan(0);
    expect((await link.manager.streams.info(stream)).state.messages).toBe(40);
  });

  test("keeps the order of the calls, and takes any number of them at once", async () => {
    const { publisher } = await open();
    const outcomes = await Promise.all(
      Array.from({ length: 2000 }, (_, index) =>
        publisher.publish({ stream, subject: `s.${index}`, payload, deadlineMs: 60_000 }),
      ),
    );
    expect(outcomes).toEqual(outcomes.map((_, index) => ({ state: "stored", seq: index + 1 })));
  });

  test("what is under way ends with the publisher", async () => {
    const { publisher, server } = await open();
    await server.pause();
    const underWay = [1, 2].map((index) =>
      publisher.publish({ stream, subject: `s.${index}`, payload, lane: "a" }),
    );
    await publisher[Symbol.asyncDispose]();
    for (const outcome of underWay) expect(await outcome).toMatchObject({ state: "unavailable" });
    expect(await publisher.publish({ stream, subject: "s.a", payload })).toEqual({
      state: "unavailable",
      words: "The store is closing.",
    });
  });

  test("goes on when the stream's leader is killed, and stores each message once", async () => {
    const cluster = await startCluster();
    const nats = optionsFor(cluster);
    const link = await openLink(nats);
    await eventually(() => link.manager.streams.add(configOf({ num_replicas: 3 })));
    const publisher = newPublisher(link);
    let index = 0;
    const over = new AbortController();
    const outcomes: PublishOutcome[] = [];
    const work = Array.from({ length: 8 }, async () => {
      while (!over.signal.aborted) {
        const subject = `s.${index++}`;
        outcomes.push(
          await publisher.publish({
            stream,
            subject,
            payload,
            expect: { lastSubjectSeq: 0 },
            deadlineMs: 60_000,
          }),
        );
      }
    });
    await eventually(() => expect(outcomes.length).toBeGreaterThan(50));
    const leader = await cluster.leaderOf(stream);
    await leader.kill();
    const before = outcomes.length;
    await eventually(() => expect(outcomes.length).toBeGreaterThan(before + 50));
    over.abort();
    await Promise.all(work);
    expect(new Set(outcomes.map(({ state }) => state))).toEqual(new Set(["stored"]));
    const seqs = outcomes.map((outcome) => (outcome.state === "stored" ? outcome.seq : 0));
    expect(new Set(seqs).size).toBe(outcomes.length);
    const { state } = await eventually(() => link.manager.streams.info(stream));
    expect(state.messages).toBe(outcomes.length);
  });
});

interface Opened {
  readonly server: Awaited<ReturnType<typeof startServer>>;
  readonly link: Link;
  readonly publisher: Publisher;
}

async function open(
  program: Parameters<typeof startServer>[0] = {},
  config: Partial<StreamConfig> = {},
  change: (nats: NatsOptions) => NatsOptions = (nats) => nats,
): Promise<Opened> {
  const server = await startServer(program);
  const link = await openLink(change(optionsFor(server)));
  await link.manager.streams.add(configOf(config));
  return { server, link, publisher: newPublisher(link) };
}

type NamedConfig = Partial<StreamConfig> & { name: string };

function configOf(config: Partial<StreamConfig>): NamedConfig {
  return {
    name: stream,
    subjects: ["s.>"],
    storage: StorageType.File,
    max_msgs_per_subject: 1,
    discard: DiscardPolicy.New,
    ...config,
  };
}

function newPublisher(link: Link): Publisher {
  const publisher = new Publisher({ link, clock: systemClock });
  onTestFinished(() => publisher[Symbol.asyncDispose]());
  return publisher;
}

/** As the server tells it by itself, whatever becomes of the link. */
async function lastSeqOf(server: Opened["server"]): Promise<number> {
  const report = (await server.ask("/jsz?streams=true")) as {
    account_details?: { stream_detail?: { state: { last_seq: number } }[] }[];
  };
  return report.account_details?.[0]?.stream_detail?.[0]?.state.last_seq ?? 0;
}
