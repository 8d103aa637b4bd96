import { existsSync, rmSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Agent } from "../mcp/agent.js";
import { TestHome } from "../mcp/test-home.js";
import { whyNot } from "../support/pid-namespace.js";
import { program, run, Running } from "../support/program.js";
import { eventually } from "../support/test-broker.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 90_000 });

/** A command on a computer of this name: all else is as here. */
const onDesktop = [
  "unshare",
  "--map-root-user",
  "--uts",
  "sh",
  "-c",
  'hostname desktop && exec "$@"',
  "sh",
];
const cannotRename = whyNot(...onDesktop, "true");
if (cannotRename !== undefined)
  console.warn(`skipped: another host's name, because ${cannotRename}`);

/** Passes bytes on between two sockets, as \`ssh -L\` does. */
const relayProgram = `
  const [, at, to] = process.argv;
  const net = require("node:net");
  process.umask(0o077);
  net.createServer((near) => {
    const far = net.connect(to);
    near.pipe(far).pipe(near);
    for (const end of [near, far]) end.on("error", () => { near.destroy(); far.destroy(); });
  }).listen(at);`;

let laptop: TestHome;
let desktop: TestHome;
let forwarded: string;
let relay: Running;

beforeEach(async () => {
  laptop = await TestHome.open();
  desktop = await TestHome.open();
  forwarded = join(desktop.path, "forwarded.sock");
  await laptop.startAll("api", "web");
  relay = await startRelay();
});
afterEach(async () => {
  await desktop[Symbol.asyncDispose]();
  await relay[Symbol.asyncDispose]();
  await laptop[Symbol.asyncDispose]();
});

test.skipIf(cannotRename !== undefined)(
  "over a socket that is forwarded, names, hosts and scopes are those of two machines",
  async () => {
    const web = await laptop.start("watcher", { cwd: "/" });
    const there = await startThere("api");
    expect((await there.facts("list_peers")).you).toMatchObject({ name: "api-2" });
    expect(await hostsSeenBy(there)).toEqual({
      api: hostname(),
      web: hostname(),
      watcher: hostname(),
    });
    expect(await hostsSeenBy(web)).toMatchObject({ api: undefined, "api-2": "desktop" });
    expect(await hostsSeenBy(web, "machine")).toEqual({ api: undefined, web: undefined });
    // Both are in the same directory of the same path.
    expect(await hostsSeenBy(there, "directory")).toEqual({});
    expect(await hostsSeenBy(there, "repository")).toEqual({});

    const sent = await web.facts("send_message", { to: "api@desktop", message: "over there" });
    expect(sent.recipients).toMatchObject([{ name: "api-2" }]);
    const { messages } = await there.facts("get_messages", { wait_ms: 5000 });
    expect(messages).toMatchObject([{ text: "over there", from: { host: hostname() } }]);
    const [command, ...args] = [...onDesktop, process.execPath, program];
    const said = await run(command, [...args, "send", "watcher", "by hand"], environment());
    expect(said).toMatchObject({ code: 0 });
    expect(existsSync(join(desktop.path, "peerline.db"))).toBe(false);
  },
);

test("a forward that ends is said in one sentence, and used again by itself when it is back", async () => {
  const agent = await desktop.start("agent", { env: { PEERLINE_BROKER: `unix:${forwarded}` } });
  await agent.facts("list_peers");
  const doctor = await run(process.execPath, [program, "doctor", "--json"], environment());
  const { findings } = JSON.parse(doctor.stdout) as {
    findings: { id: string; severity: string }[];
  };
  expect(findings.find(({ id }) => id === "broker")).toMatchObject({ severity: "ok" });
  expect(findings.find(({ id }) => id === "broker-unseen")).toBeUndefined();
  const status = await run(process.execPath, [program, "status"], environment());
  expect(status).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("run this on that broker's machine"),
  });
  await relay[Symbol.asyncDispose]();
  await eventually(async () =>
    expect(await agent.failure("list_peers")).toBe(
      `The Peerline broker cannot be reached: The broker at unix:${forwarded} is not running.`,
    ),
  );
  relay = await startRelay();
  await eventually(() => agent.facts("list_peers"));
});

function environment(): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: desktop.path,
    PEERLINE_HOME: desktop.path,
    PEERLINE_BROKER: `unix:${forwarded}`,
  };
}

async function startThere(name: string): Promise<Agent> {
  const env = { PEERLINE_BROKER: `unix:${forwarded}` };
  return desktop.start(name, { env, by: onDesktop, cwd: laptop.path });
}

async function startRelay(): Promise<Running> {
  rmSync(forwarded, { force: true });
  const args = ["-e", relayProgram, forwarded, join(laptop.path, "broker.sock")];
  const started = new Running(process.execPath, args, { PATH: process.env["PATH"] });
  await eventually(() => expect(statSync(forwarded).isSocket()).toBe(true));
  return started;
}

/** The peers that an agent sees, with the host that it is shown of each. */
async function hostsSeenBy(
  agent: Agent,
  scope = "all",
): Promise<Record<string, string | undefined>> {
  const { peers } = (await agent.facts("list_peers", { scope })) as {
    peers: { name: string; host?: string }[];
  };
  return Object.fromEntries(peers.map(({ name, host }) => [name, host]));
}
