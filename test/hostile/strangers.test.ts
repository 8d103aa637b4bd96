import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.js";
import { maxGuessBurst, maxStreamsOfMachine } from "../../src/broker/limits.js";
import { maxStrangers } from "../../src/daemon/limits.js";
import { createClient, openChannel } from "../../src/rpc/client.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { machineHeader } from "../../src/contract/machines.js";
import { commandOf, credentialOf, SharedHome } from "../e2e/shared-home.js";
import { TestHome } from "../mcp/test-home.js";
import { buildProgram } from "../support/build-program.js";
import { cannotRead, readProcess } from "../support/process-reading.js";
import { Running } from "../support/program.js";
import { eventually, newSecret, reasonIn } from "../support/test-broker.js";
import { defectsIn, Witness } from "./witness.js";

/** The long form takes some minutes: `PEERLINE_STRANGERS=10000`. */
const strangers = Number(process.env["PEERLINE_STRANGERS"] ?? 1000);
const guesses = Number(process.env["PEERLINE_STRANGERS"] ?? 250);

/** What they may cost the broker at their height, and descriptors that come and go. */
const maxGrowthMiB = 60;
const otherDescriptors = 40;

if (cannotRead !== undefined) console.warn(`skipped: ${cannotRead}`);

test.skipIf(cannotRead !== undefined)(
  "thousands who connect and never prove who they are cost agents and machines nothing",
  { timeout: 300_000 },
  async () => {
    await using laptop = await SharedHome.open();
    await using desktop = await TestHome.open();
    await commandOf(desktop.path, "join", await laptop.share());
    const credential = credentialOf(desktop);
    const pid = await laptop.brokerPid();
    using local = await Witness.join(join(laptop.path, "broker.sock"), "local");
    const channel = openChannel(laptop.address, {
      ca: laptop.ca,
      headers: { [machineHeader]: credential },
    });
    onTestFinished(() => channel.close());
    let token = "";
    const remote = createClient(BrokerService, channel, {
      headers: (): Record<string, string> =>
        token === "" ? {} : { authorization: `Bearer ${token}` },
    });
    ({ sessionToken: token } = await remote.register({ secret: newSecret(), name: "remote" }));
    const stream = remote.subscribe({})[Symbol.asyncIterator]();
    expect((await stream.next()).value?.event.case).toBe("started");
    const before = readProcess(pid);

    // From the address that the machine has too, and from others.
    const crowdProgram = await buildProgram(new URL("strangers.ts", import.meta.url), laptop.path);
    const port = laptop.address.split(":")[1] ?? "";
    const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    await using crowd = new Running(
      process.execPath,
      [crowdProgram, port, String(strangers), ...addresses],
      { PATH: process.env["PATH"] },
    );
    const over = { line: "" };
    void crowd.line().then((line) => (over.line = line));
    let sent = 0;
    do {
      // Who sends faster for longer is slowed down.
      if (sent >= 500) {
        await remote.getServerInfo({});
        continue;
      }
      await local.send();
      await remote.sendMessage({ to: ["local"], text: `over TLS ${sent++}` });
    } while (over.line === "");
    expect(over.line).toBe(`begun ${strangers}`);

    // A new connection of the machine gets in at once or soon, and keeps its place.
    await eventually(async () => {
      using own = laptop.remote({ credential });
      await own.client.getServerInfo({});
    });
    const height = readProcess(pid);
    console.log(
      `strangers: ${strangers}; the broker has ${before.rssMiB.toFixed(0)} MiB before, ${height.peakMiB.toFixed(0)} at most, and ` +
        `${before.descriptors}, then ${height.descriptors} descriptors; meanwhile ${sent} messages each; the slowest answer took ` +
        `${local.slowestMs.answer.toFixed(0)} ms, the slowest send ${local.slowestMs.send.toFixed(0)} ms`,
    );
    expect(height.peakMiB - before.peakMiB).toBeLessThan(maxGrowthMiB);
    expect(height.descriptors).toBeLessThan(before.descriptors + maxStrangers + otherDescriptors);
    const log = readFileSync(join(laptop.path, "broker.log"), "utf8").split("\n");
    expect(log.filter((line) => line.includes("proved nothing")).length).toBeLessThan(10);
    expect(log.length).toBeLessThan(60);

    await crowd[Symbol.asyncDispose]();
    await eventually(() => {
      expect(readProcess(pid).descriptors).toBeLessThan(before.descriptors + 10);
    });
    await stream.return?.();
    await local.expectAllKept();
    expect(await defectsIn(laptop.path)).toEqual([]);
  },
);

test.skipIf(cannotRead !== undefined)(
  "thousands of guesses at a credential are each refused, and cost the machine behind the same address nothing",
  { timeout: 900_000 },
  async () => {
    await using laptop = await SharedHome.open();
    await using desktop = await TestHome.open();
    await commandOf(desktop.path, "join", await laptop.share());
    const pid = await laptop.brokerPid();
    const agent = await desktop.start("web");
    await agent.facts("list_peers");
    const before = readProcess(pid);
    const guesser = await buildProgram(new URL("guesser.ts", import.meta.url), laptop.path);
    const port = laptop.address.split(":")[1] ?? "";
    await using crowd = new Running(process.execPath, [guesser, port, String(guesses)], {
      PATH: process.env["PATH"],
    });
    const over = { line: "" };
    void crowd.line().then((line) => (over.line = line));
    let asked = 0;
    do {
      await agent.facts("list_peers");
      using own = laptop.remote({ credential: credentialOf(desktop) });
      await eventually(() => own.client.getServerInfo({}));
      asked++;
    } while (over.line === "");
    const answers = JSON.parse(over.line) as Record<string, number>;
    const after = readProcess(pid);
    console.log(
      `guesses: ${over.line}; meanwhile the machine asked ${asked} times, over new connections too; the broker has ` +
        `${before.rssMiB.toFixed(0)} MiB before and ${after.rssMiB.toFixed(0)} then`,
    );
    // UNAUTHENTICATED, or closed. None was let in.
    expect(Object.keys(answers).filter((one) => !["status 16", "closed"].includes(one))).toEqual(
      [],
    );
    expect(answers["status 16"]).toBeGreaterThanOrEqual(maxGuessBurst);
    expect(Object.values(answers).reduce((sum, one) => sum + one, 0)).toBe(guesses);
    expect(after.rssMiB - before.rssMiB).toBeLessThan(maxGrowthMiB);
    const log = readFileSync(join(laptop.path, "broker.log"), "utf8").split("\n");
    const told = log.filter((line) => line.includes("prove nothing, or wrongly"));
    expect(told.length).toBeGreaterThan(0);
    expect(log.length).toBeLessThan(60);
    expect(await defectsIn(laptop.path)).toEqual([]);
  },
);

test.skipIf(cannotRead !== undefined)(
  "a thousand streams of one machine cost agents and other machines nothing",
  { timeout: 120_000 },
  async () => {
    await using laptop = await SharedHome.open();
    await using desktop = await TestHome.open();
    await using tablet = await TestHome.open();
    const line = await laptop.share("--uses", "2");
    for (const home of [desktop, tablet]) await commandOf(home.path, "join", line);
    const pid = await laptop.brokerPid();
    using local = await Witness.join(join(laptop.path, "broker.sock"), "local");
    await local.send();
    const before = readProcess(pid);

    const headers = { [machineHeader]: credentialOf(desktop) };
    const streams = Array.from({ length: 10 }, () => {
      const channel = openChannel(laptop.address, { ca: laptop.ca, headers });
      onTestFinished(() => channel.close());
      const health = createClient(Health, channel);
      return Array.from({ length: 100 }, () => health.watch({})[Symbol.asyncIterator]());
    }).flat();
    const first = await Promise.all(
      streams.map(async (stream) => {
        return stream.next().then(
          () => "open",
          (error: unknown) => reasonIn(error),
        );
      }),
    );
    expect(first.filter((outcome) => outcome === "open")).toHaveLength(maxStreamsOfMachine);
    expect(first.filter((outcome) => outcome === "LIMIT_REACHED")).toHaveLength(
      streams.length - maxStreamsOfMachine,
    );

    for (let sent = 0; sent < 20; sent++) await local.send();
    const other = openChannel(laptop.address, {
      ca: laptop.ca,
      headers: { [machineHeader]: credentialOf(tablet) },
    });
    onTestFinished(() => other.close());
    expect((await createClient(Health, other).watch({})[Symbol.asyncIterator]().next()).done).toBe(
      false,
    );
    const agent = await tablet.start("web");
    await agent.facts("send_message", { to: "local", message: "from the other machine" });
    const after = readProcess(pid);
    console.log(
      `streams: ${streams.length} asked for, ${maxStreamsOfMachine} open; the broker has ${before.rssMiB.toFixed(0)} MiB before and ` +
        `${after.rssMiB.toFixed(0)} then; the slowest answer took ${local.slowestMs.answer.toFixed(0)} ms, the slowest send ${local.slowestMs.send.toFixed(0)} ms`,
    );
    expect(after.rssMiB - before.rssMiB).toBeLessThan(maxGrowthMiB);
    expect(await defectsIn(laptop.path)).toEqual([]);
  },
);
