import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ConfirmedBy, ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { MovableStore } from "../../src/broker/store/transfer.js";
import { systemClock } from "../../src/clock.js";
import { openSqliteStore } from "../../src/store/sqlite/sqlite-store.js";
import { alice, bob, carol, draft } from "../contract/store/drafts.js";
import { linesOf, takeStep } from "../contract/store/move-steps.js";
import { workerUrl } from "../store/sqlite/built-worker.js";
import { startServer } from "../store/nats/open-link.js";
import { isNatsMissing } from "../support/nats-programs.js";
import { eventually } from "../support/eventually.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { Terminal } from "./terminal.js";

/** How many messages are moved there and back. The long form has 100,000. */
const messages = Number(process.env["PEERLINE_MIGRATE_MESSAGES"] ?? 2_000);

let terminal: Terminal;

beforeEach(async () => {
  terminal = await Terminal.open();
});
afterEach(async () => {
  await terminal[Symbol.asyncDispose]();
});

describe("peerline migrate", () => {
  test("says that there is nothing to move", async () => {
    const { code, stderr } = await terminal.run("migrate", "--to", "nats://127.0.0.1:9");
    expect(code).toBe(1);
    expect(stderr).toContain(`There is nothing to move: ${database()} is not there.`);
  });

  test("refuses a store that is the present one, or none", async () => {
    const same = await terminal.run("migrate", "--to", "sqlite");
    expect([same.code, same.stderr]).toEqual([1, expect.stringContaining("is sqlite already")]);
    const none = await terminal.run("migrate", "--to", "redis://a");
    expect([none.code, none.stderr]).toEqual([
      1,
      expect.stringContaining('store is "redis://a": use "sqlite", "nats://HOST:4222"'),
    ]);
    const secret = await terminal.run("migrate", "--to", "nats://me:hunter2@a");
    expect(secret.stderr).not.toContain("hunter2");
  });

  test("refuses while a broker serves the home, and says what to do", async () => {
    expect((await terminal.run("send", "nobody", "hello")).code).not.toBe(0);
    expect(await terminal.brokerPid()).toBeGreaterThan(0);
    const { code, stderr } = await terminal.run("migrate", "--to", "nats://127.0.0.1:9");
    expect(code).toBe(1);
    expect(stderr).toContain(`A broker serves ${terminal.home}: end the agents that use it`);
    expect(stderr).toContain("run `peerline stop`");
  });
});

describe.skipIf(isNatsMissing())("peerline migrate with NATS", () => {
  test("moves everything there and back, and shows that it is the same", async () => {
    await fill(messages);
    const before = await lines();
    const { url } = await startServer();
    const there = await terminal.run("migrate", "--to", url, "--switch");
    expect(there).toMatchObject({ code: 0 });
    expect(there.stdout).toContain("Moved.");
    expect(there.stdout).not.toContain("Not moved");
    expect(readFileSync(settings(), "utf8")).toBe(`store = "${url}"\n`);
    expect(await lines()).toEqual(before);

    const refused = await terminal.run("migrate", "--to", "sqlite");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`${database()} is in the way. It is not empty: it holds`);
    renameSync(database(), `${database()}.before`);
    const back = (await terminal.json("migrate", "--to", "sqlite", "--switch")) as {
      source: { counts: object; sha256: object; states: object };
    } & { target: object; different: string[]; switched: boolean };
    expect(back).toMatchObject({ different: [], leftOut: [], switched: true });
    expect(back.target).toEqual(back.source);
    expect(Object.keys(back.source.states).toSorted()).toEqual([
      "answered",
      "confirmed",
      "expired",
      "given up",
      "handed over",
      "presented",
      "queued",
    ]);
    expect(readFileSync(settings(), "utf8")).toBe('store = "sqlite"\n');
    expect(await lines()).toEqual(before);
    // A broker serves what came back.
    expect((await terminal.run("read")).code).toBe(0);
    expect((await terminal.run("log")).stdout).toContain(`number ${messages - 1}:`);
  }, 1_800_000);

  test("leaves the settings alone, and says what comes next, without --switch", async () => {
    await fill(20);
    const { url } = await startServer();
    const text = 'store = "sqlite"\n[nats]\nprefix = "team-a"\n';
    writeFileSync(settings(), text);
    const { code, stdout } = await terminal.run("migrate", "--to", url);
    expect(code).toBe(0);
    expect(stdout).toContain("prefix team-a");
    expect(stdout).toContain(`  store = "${url}"\nabove the first table of ${settings()}.`);
    expect(readFileSync(settings(), "utf8")).toBe(text);
  });

  test("killed at any moment leaves the old store as it was, and the new one refused until it is begun again", async () => {
    await fill(500);
    const before = await lines();
    const server = await startServer();
    const { url } = server;
    const connection = await connect({ ...server.clientOptions });
    onTestFinished(() => connection.close());
    const { streams } = await jetstreamManager(connection);
    for (const moved of [1, 150, 300]) {
      const run = terminal.start(["migrate", "--to", url, "--again"]);
      await eventually(async () => {
        const { state } = await streams.info("peerline-mail");
        expect(state.messages).toBeGreaterThanOrEqual(moved);
      });
      await run.kill();
      expect((await run.ended).code).not.toBe(0);
      expect(existsSync(settings())).toBe(false);
    }
    expect(await lines()).toEqual(before);
    const again = await terminal.run("migrate", "--to", url, "--again", "--switch");
    expect(again.stderr).toBe("");
    expect(again.code).toBe(0);
    renameSync(database(), `${database()}.before`);
    expect((await terminal.run("migrate", "--to", "sqlite")).code).toBe(0);
    expect(await lines()).toEqual(before);
  });
});

function database(): string {
  return join(terminal.home, "peerline.db");
}

function settings(): string {
  return join(terminal.home, "broker.toml");
}

async function withStore<T>(
  deed: (store: MovableStore, clock: StoppedClock) => Promise<T>,
): Promise<T> {
  const clock = new StoppedClock(systemClock.now());
  const limits = { maxQueueMessages: 10 ** 6, maxQueueBytes: 10 ** 10, maxMailBytes: 10 ** 10 };
  const store = await openSqliteStore({ path: database(), clock, limits, workerUrl });
  try {
    return await deed(store, clock);
  } finally {
    await store[Symbol.asyncDispose]();
  }
}

const lines = () => withStore(linesOf);

/** Peers, machines, tokens, and messages with receipts in every state. */
async function fill(count: number): Promise<void> {
  await withStore(async ({ queues, ...store }, clock) => {
    for (let number = 0; number < 6; number += 1) {
      for (const kind of ["peer", "machine", "token"] as const) {
        await takeStep({ queues, ...store }, clock, { do: kind, number });
      }
    }
    const peers = [alice, bob, carol];
    for (let from = 0; from < count; from += 500) {
      const batch = Array.from({ length: Math.min(500, count - from) }, async (_one, index) => {
        const number = from + index;
        // One in ten is to two.
        const to = peers.filter((_peer, at) => number % 3 === at || number % 10 === at);
        const text = `number ${number}: ${"é".repeat(number % 200)}`;
        const sent = draft({ text, to, from: peers[number % 3] ?? alice });
        for (const result of await queues.enqueue(sent, to)) {
          if (!result.ok) throw result.error;
          const { receipt } = result;
          const state: ReceiptState = number % 8;
          const change = { state, confirmedBy: ConfirmedBy.HOOK, reason: "for a test" };
          const peerId = receipt.recipient?.peerId ?? "";
          if (state > ReceiptState.QUEUED) await queues.advance(peerId, receipt.seq, change);
          if (number % 16 === 7) await queues.redrive(peerId, receipt.seq);
        }
      });
      await Promise.all(batch);
      clock.advance(1);
    }
  });
}
