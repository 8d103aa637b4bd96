import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import type { Finding } from "../../src/cli/doctor/finding.js";
import { readConfig } from "../../src/endpoint/config.js";
import { connectBroker } from "../../src/endpoint/connect.js";
import { openHome } from "../../src/endpoint/home.js";
import { firstStartPauseMs, maxStartPauseMs } from "../../src/endpoint/limits.js";
import { createClient } from "../../src/rpc/client.js";
import { commandOf, SharedHome } from "../e2e/shared-home.js";
import { TestHome } from "../mcp/test-home.js";
import { program, run } from "../support/program.js";
import { eventually, newSecret, reasonIn } from "../support/test-broker.js";
import { BrokerProcess } from "./broker-process.js";
import { compilePreload } from "./preload.js";

const folder = mkdtempSync(join(tmpdir(), "pl-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const preload = compilePreload("refuse-calls", folder);
const impossible = "impossible" in preload ? preload.impossible : undefined;
if (impossible !== undefined) console.warn(`skipped: refused writes, because ${impossible}`);

test.skipIf(impossible !== undefined).each([
  ["a used-up quota", "EDQUOT", { FAULT_WRITE_ERRNO: "122" }],
  [
    "a disk that has become read-only",
    "EROFS",
    { FAULT_WRITE_ERRNO: "30", FAULT_OPEN_ERRNO: "30" },
  ],
])("%s stops writes only, by name, until it is gone", async (_what, name, faults) => {
  const home = realpathSync(mkdtempSync(join(folder, "home-")));
  const { environment, fail, fix } = failing(home, faults);
  const broker = await BrokerProcess.start(home, environment);
  const [alice, bob] = [await broker.join("alice"), await broker.join("bob")];
  const [channel, secret] = [broker.connect(), newSecret()];
  await createClient(BrokerService, channel).register({ secret, name: "carol", instanceId: "1" });
  channel.close();
  const { messageId } = await alice.sendMessage({ to: ["bob"], text: "before" });
  fail();
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const refused = await alice.sendMessage({ to: ["bob"], text: `during ${attempt}` }).then(
      () => "accepted",
      (error: unknown) => `${reasonIn(error)}: ${String(error)}`,
    );
    expect(refused).toMatch(new RegExp(`^STORE_FULL: .*${name}`));
  }
  const { store } = await alice.getServerInfo({});
  expect(store).toMatchObject({ writable: false, problem: expect.stringContaining(name) });
  expect((await bob.getMessage({ messageId })).record?.message?.text).toBe("before");
  expect((await bob.listMessages({})).records).toHaveLength(1);
  // Who is known returns, though it cannot be noted that it did.
  const carol = createClient(BrokerService, broker.connect());
  const returned = await eventually(() => carol.register({ secret, instanceId: "2" }));
  expect(returned.peer?.name).toBe("carol");
  expect(broker.isRunning).toBe(true);

  fix();
  await expect.poll(async () => (await alice.getServerInfo({})).store?.writable).toBe(true);
  await alice.sendMessage({ to: ["bob"], text: "after" });
  expect((await bob.listMessages({})).records).toHaveLength(2);
  expect(await broker.end("SIGTERM")).toBe(0);
});

test("on a file system that is read-only a running broker is still asked, and nothing is a defect", async (context) => {
  await using home = await TestHome.open();
  await (await home.start("api")).facts("list_peers");
  const readOnly = mountReadOnly(home.path);
  if (readOnly === undefined) return context.skip("mounting is not permitted here");
  const environment = { PATH: process.env["PATH"], HOME: home.path, PEERLINE_HOME: readOnly };
  const there = (...args: string[]) => run(process.execPath, [program, ...args], environment);
  expect(await there("peers")).toMatchObject({ code: 0, stdout: expect.stringContaining("api") });
  expect((await there("status")).stdout).toContain("running");
  const { findings } = JSON.parse((await there("doctor", "--json")).stdout) as {
    findings: Finding[];
  };
  expect(findings).toContainEqual(
    expect.objectContaining({
      id: "disk",
      severity: "problem",
      seen: "the file system is read-only (EROFS)",
    }),
  );
  // Its secret is still to be made.
  expect(await there("read")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^peerline: \S+person\.secret cannot be written: .*\(EROFS\)/),
  });
});

test("an agent of a joined home that is read-only says so at once, and so does the doctor", async (context) => {
  await using laptop = await SharedHome.open();
  await using desktop = await TestHome.open();
  await commandOf(desktop.path, "join", await laptop.share());
  const readOnly = mountReadOnly(desktop.path);
  if (readOnly === undefined) return context.skip("mounting is not permitted here");
  const env = { PEERLINE_HOME: readOnly };
  const web = await desktop.start("web", { env });
  const sentence = `${readOnly}/peers cannot be written: the file system is read-only (EROFS). Have it mounted`;
  expect(await web.failure("list_peers")).toContain(sentence);
  const { stdout } = await run(process.execPath, [program, "doctor", "--json"], {
    PATH: process.env["PATH"],
    HOME: desktop.path,
    ...env,
  });
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  expect(findings).toContainEqual(
    expect.objectContaining({ id: "disk", severity: "problem", subject: readOnly }),
  );
});

/** Another path of a folder, at which nothing of it can be changed; undefined where that cannot be. */
function mountReadOnly(path: string): string | undefined {
  const readOnly = mkdtempSync(join(folder, "read-only-"));
  try {
    execFileSync("mount", ["--bind", path, readOnly], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync("umount", ["--lazy", readOnly]));
  execFileSync("mount", ["-o", "remount,bind,ro", readOnly]);
  return readOnly;
}

test.skipIf(impossible !== undefined)(
  "a broker that fails at its first write is not started again for each who wants one",
  async () => {
    const home = openHome(join(folder, "first-write"));
    const { environment, fail, fix } = failing(home.path, { FAULT_SYNC_ERRNO: "5" });
    const { wrapper, starts } = failingProgram(environment);
    const config = readConfig({ PATH: process.env["PATH"], PEERLINE_HOME: home.path });
    const connect = (paced: boolean) =>
      connectBroker({ config, program: wrapper, start: true, paced });
    const register = async (paced: boolean, secret: string) => {
      await using connection = await connect(paced);
      return (await connection.client.register({ secret, name: "api" })).peer?.name;
    };
    const secret = newSecret();
    expect(await register(true, secret)).toBe("api");
    expect(starts()).toHaveLength(1);
    process.kill((await connect(true)).info.pid, "SIGKILL");
    fail();
    const startMs = performance.now();
    const failures: unknown[] = [];
    for (let attempt = 0; attempt < 12; attempt += 1) {
      await register(true, secret).catch((error: unknown) => failures.push(error));
    }
    expect(failures).toHaveLength(12);
    expect(starts().length).toBeLessThanOrEqual(1 + mostStarts(performance.now() - startMs));
    expect(failures).toContainEqual(
      expect.objectContaining({
        code: "BROKER_START_FAILED",
        message: expect.stringMatching(/failed soon after its start: .*start it again in \d+ s/),
      }),
    );

    fix();
    // A person is not made to wait.
    expect(await register(false, secret)).toBe("api");
    expect(await register(true, secret)).toBe("api");
    process.kill((await connect(true)).info.pid, "SIGKILL");
  },
);

test("agents whose broker cannot start do not start it with each call, and say why with each", async () => {
  await using home = await TestHome.open();
  writeFileSync(join(home.path, "peerline.db"), "no database at all ".repeat(500));
  const startMs = performance.now();
  const agents = await Promise.all(["api", "web", "ops"].map((name) => home.start(name)));
  for (let call = 0; call < 5; call += 1) {
    for (const agent of agents) {
      expect(await agent.failure("list_peers")).toMatch(/not a database|does not start/);
    }
  }
  const log = readFileSync(join(home.path, "broker.log"), "utf8");
  const failed = log.split("\n").filter((line) => line.includes("did not start"));
  expect(failed.length).toBeLessThanOrEqual(mostStarts(performance.now() - startMs));
});

/** How many failing starts there may be in so long: after each the pause is twice as long. One more may be under way. */
function mostStarts(ms: number): number {
  let starts = 2;
  for (let pause = firstStartPauseMs, at = pause; at <= ms; starts++) {
    pause = Math.min(2 * pause, maxStartPauseMs);
    at += pause;
  }
  return starts;
}

/** The environment of a process whose writes to a folder fail from `fail` to `fix`. */
function failing(home: string, faults: Readonly<Record<string, string>>) {
  const switchPath = join(folder, `${home.split("/").at(-1)}.failing`);
  const LD_PRELOAD = "path" in preload ? preload.path : "";
  const environment = { ...faults, LD_PRELOAD, FAULT_FOLDER: home, FAULT_SWITCH: switchPath };
  return { environment, fail: () => writeFileSync(switchPath, ""), fix: () => rmSync(switchPath) };
}

/** The real program, whose brokers run in this environment; it counts them. */
function failingProgram(environment: object): { wrapper: string; starts: () => string[] } {
  const directory = mkdtempSync(join(folder, "program-"));
  const log = join(directory, "starts");
  const wrapper = join(directory, "peerline.mjs");
  writeFileSync(log, "");
  writeFileSync(
    wrapper,
    `import { appendFileSync } from "node:fs";
     import { spawn } from "node:child_process";
     if (process.argv[2] === "broker") {
       appendFileSync(${JSON.stringify(log)}, process.pid + "\\n");
       const env = { ...process.env, ...${JSON.stringify(environment)} };
       const stdio = ["ignore", "ignore", "inherit", "ipc"];
       const child = spawn(process.execPath, [${JSON.stringify(program)}, "broker"], { env, stdio });
       child.on("message", (report) => process.send?.(report));
       child.on("exit", (code) => process.exit(code ?? 1));
     } else {
       await import(${JSON.stringify(program)});
     }`,
  );
  const starts = () => readFileSync(log, "utf8").split("\n").slice(0, -1);
  return { wrapper, starts };
}
