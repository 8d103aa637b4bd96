import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { sleep } from "../../src/clock.js";
import { maxReconnectMs } from "../../src/client/limits.js";
import { callTimeoutMs } from "../../src/mcp/limits.js";
import { Operator } from "../e2e/operator.js";
import { BrokerProcess } from "../faults/broker-process.js";
import { program } from "../support/program.js";
import { eventually } from "../support/test-broker.js";
import { buildIdleAgents, IdleAgentsProcess } from "./idle-agents-process.js";

/** Absences of a broker, in seconds. The long ones only where they are asked for. */
const absences = process.env["PEERLINE_ABSENCES"] === "long" ? [1, 7, 15, 120] : [1, 7];
const agents = 50;
/** Those that begin when the broker answers no more. */
const newcomers = 10;
const collectIntervalMs = 200;
/** What a loaded machine may add, in milliseconds. */
const slackMs = 60_000;

describe("fifty idle agents whose process collects garbage all the time", () => {
  let home: string;

  beforeEach(async () => {
    const folder = await mkdtemp(join(tmpdir(), "pl-"));
    home = folder;
    // After all that was started in it has ended, which would make it anew.
    onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  });

  /** Agents that start no broker: it is away for as long as the test wants. */
  async function startAgents(count: number): Promise<IdleAgentsProcess> {
    const file = await buildIdleAgents(home);
    const env = {
      PATH: process.env["PATH"],
      HOME: home,
      PEERLINE_HOME: home,
      PEERLINE_BROKER: `unix:${join(home, "broker.sock")}`,
    };
    const idle = new IdleAgentsProcess(file, { agents: count, program, collectIntervalMs }, env);
    onTestFinished(() => idle[Symbol.asyncDispose]());
    return idle;
  }

  async function areOnline(count: number): Promise<void> {
    await eventually(async () => {
      const online = (await new Operator(home).peers()).filter((peer) => peer.online);
      expect(online).toHaveLength(count);
    }, maxReconnectMs + slackMs);
  }

  test.each(absences)(
    "all come back after the broker was away for %i s, though nobody calls",
    async (seconds) => {
      const first = await BrokerProcess.start(home);
      await startAgents(agents);
      await areOnline(agents);
      await first.end("SIGTERM");
      await sleep(seconds * 1000);
      await BrokerProcess.start(home);
      await areOnline(agents);
    },
    180_000,
  );

  test("every call beside a broker that does not answer ends within its limit", async () => {
    const broker = await BrokerProcess.start(home);
    const attached = await startAgents(agents);
    await areOnline(agents);
    broker.signal("SIGSTOP");
    const attaching = await startAgents(newcomers);
    const callAll = async () => {
      const both = [attached, attaching].map((idle) => idle.callAll(callTimeoutMs + slackMs));
      return (await Promise.all(both)).flat();
    };
    const outcomes = await callAll();
    expect(outcomes).toHaveLength(agents + newcomers);
    for (const { outcome } of outcomes) {
      expect(outcome).toContain("The Peerline broker cannot be reached");
    }
    broker.signal("SIGCONT");
    expect((await callAll()).map(({ outcome }) => outcome)).toEqual(
      Array.from({ length: agents + newcomers }, () => "answered"),
    );
  }, 180_000);
});
