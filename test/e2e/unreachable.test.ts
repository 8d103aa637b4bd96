import { beforeEach, expect, test, vi } from "vitest";
import { callTimeoutMs } from "../../src/mcp/limits.js";
import { TestHome } from "../mcp/test-home.js";
import { freePort } from "../rpc/free-port.js";
import { program, run } from "../support/program.js";
import { Relay } from "../support/relay.js";
import { eventually } from "../support/test-broker.js";
import { commandOf, openTwoHomes, SharedHome, tryCommand } from "./shared-home.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 120_000 });

let laptop: SharedHome;
let desktop: TestHome;

beforeEach(async () => {
  ({ laptop, desktop } = await openTwoHomes());
  await commandOf(desktop.path, "join", await laptop.share());
});

test("a broker that is off is said in one sentence by every tool, and found again by itself", async () => {
  const web = await desktop.start("web");
  await web.facts("list_peers");
  await laptop.command("stop");
  const place = `tls:${laptop.address}`;
  const sentence = new RegExp(
    `^The Peerline broker cannot be reached: The broker at ${place} does not answer: nothing listens there [^.]*\\.$`,
  );
  await eventually(async () => expect(await web.failure("list_peers")).toMatch(sentence));
  const calls: [string, Record<string, unknown>][] = [
    ["list_peers", {}],
    ["send_message", { to: "api", message: "x" }],
    ["get_messages", {}],
    ["message_status", { message_id: "deadbeef" }],
    ["set_summary", { summary: "x" }],
    ["set_name", { name: "other" }],
  ];
  for (const [tool, parameters] of calls)
    expect(await web.failure(tool, parameters)).toMatch(sentence);
  for (const args of [["send", "web", "x"], ["read"], ["peers"], ["status"]]) {
    const { code, stdout, stderr } = await tryCommand(desktop.path, ...args);
    expect(code, args.join(" ")).not.toBe(0);
    expect(`${stdout}${stderr}`.replaceAll(/\s+/g, " ")).toContain(
      `${place} does not answer: nothing listens there`,
    );
  }
  await laptop.command("read");
  await eventually(() => web.facts("list_peers"));
  expect((await commandOf(desktop.path, "status")).stdout).toContain("running");
});

test("a broker in silence costs one call its time, the next ones a moment, and no message is sent twice", async () => {
  const [api] = await laptop.startAll("api");
  const [host = "", port = ""] = laptop.address.split(":");
  const relayPort = await freePort();
  await using relay = await Relay.listen(relayPort, { host, port: Number(port) });
  const place = `tls:127.0.0.1:${relayPort}`;
  const env = { PEERLINE_BROKER: place };
  const web = await desktop.start("web", { env });
  await web.facts("list_peers");

  relay.hold("answers");
  const message = { to: "api", message: "once" };
  const late = await desktop.start("late", { env });
  const [lost, unmet] = await Promise.all([
    web.failure("send_message", message),
    late.failure("list_peers"),
  ]);
  expect(lost).toContain(`no answer in ${callTimeoutMs / 1000} s from ${place}`);
  expect(unmet).toContain(`${place} does not answer: nobody answers in time`);
  const askedMs = performance.now();
  for (let round = 0; round < 4; round++) {
    const [again, still] = await Promise.all([
      web.failure("send_message", message),
      late.failure("list_peers"),
    ]);
    expect(again).toContain(place);
    expect(still).toContain(place);
  }
  // With all their time they would take longer than that, on any machine.
  expect(performance.now() - askedMs).toBeLessThan(3 * callTimeoutMs);

  relay.hold();
  await eventually(() => web.facts("send_message", message), 60_000);
  await eventually(() => late.facts("list_peers"), 60_000);
  const texts: string[] = [];
  await eventually(async () => {
    const { messages } = await api.facts("get_messages");
    texts.push(...messages.map(({ text }: { text: string }) => text));
    expect(texts).toContain("once");
  });
  const { messages } = await api.facts("get_messages", { wait_ms: 500 });
  expect([...texts, ...messages.map(({ text }: { text: string }) => text)]).toEqual(["once"]);
});

test("a command that repeats its send with the id of the first makes one message", async () => {
  const [api] = await laptop.startAll("api");
  const id = "01980000-0000-7000-8000-000000000007";
  const first = await commandOf(desktop.path, "send", "api", "once", "--id", id);
  expect(first.stdout).not.toContain("by an attempt before");
  const second = await commandOf(desktop.path, "send", "api", "once", "--id", id);
  expect(second.stdout).toContain("by an attempt before");
  expect((await tryCommand(desktop.path, "send", "api", "x", "--id", "7")).stderr).toContain(
    "--id takes a UUID",
  );
  const { messages } = await api.facts("get_messages", { wait_ms: 2000 });
  expect(messages).toHaveLength(1);
});

test("of several brokers that are named, agents and commands use one that answers, and the doctor shows each", async () => {
  const dead = `tls:127.0.0.1:${await freePort()}`;
  const alive = `tls:${laptop.address}`;
  const PEERLINE_BROKER = `${dead},${alive}`;
  const web = await desktop.start("web", { env: { PEERLINE_BROKER } });
  expect((await web.facts("list_peers")).you).toMatchObject({ name: "web" });
  const home = { HOME: desktop.path, PEERLINE_HOME: desktop.path };
  const env = { PATH: process.env["PATH"], ...home, PEERLINE_BROKER };
  const ask = (...args: string[]) => run(process.execPath, [program, ...args], env);
  expect(await ask("send", "web", "hello")).toMatchObject({ code: 0 });
  expect((await ask("peers")).stdout).toContain("web");
  expect((await ask("status")).stdout).toContain(alive);
  const { findings } = JSON.parse((await ask("doctor", "--json")).stdout) as {
    findings: { id: string; severity: string; subject: string; seen: string }[];
  };
  expect(findings.filter(({ id }) => id === "broker-place")).toMatchObject([
    { severity: "warning", subject: dead, seen: expect.stringContaining("nothing listens there") },
    { severity: "ok", subject: alive },
  ]);
  // The address stands before it already.
  expect(findings.find(({ id }) => id === "broker-place")?.seen).not.toContain(dead);
  expect(findings.find(({ id }) => id === "broker")).toMatchObject({ subject: alive });
  expect(findings.find(({ id }) => id === "homes-differ")).toBeUndefined();

  await laptop.command("stop");
  const words = (await ask("status")).stdout.replaceAll(/\s+/g, " ");
  expect(words).toContain("None of 2 brokers can be used");
  expect(words).toContain(dead);
  expect(words).toContain(alive);
});
