import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "libsql";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/grpc/health/v1/health_pb.js";
import type { Connection } from "../../src/client/attachment.js";
import { readConfig } from "../../src/endpoint/config.js";
import { connectBroker } from "../../src/endpoint/connect.js";
import { openHome, type Home } from "../../src/endpoint/home.js";
import { readOperatorToken } from "../../src/endpoint/secrets.js";
import { brokerExit } from "../../src/endpoint/start-report.js";
import { VERSION } from "../../src/endpoint/version.js";
import { createClient } from "../../src/rpc/client.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { program } from "../support/program.js";
import { eventually } from "../support/test-broker.js";

// Fifty processes are slow to start on a machine that is busy.
const timeoutMs = 120_000;

beforeAll(() => {
  if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build"`);
});

describe("connecting", { timeout: 2 * timeoutMs }, () => {
  test("starts a broker that outlives the connection, and finds it again", async () => {
    const home = newHome();
    const first = await connect(home);
    await first.close();
    const second = await connect(home);
    expect(second.info.brokerId).toBe(first.info.brokerId);
    expect(second.info.version).toBe(VERSION);
    expect(second.info.store).toMatchObject({ technology: "sqlite", writable: true });
    expect(existsSync(home.startClaimPath)).toBe(false);
  });

  test("fifty at once end with one broker and few starts", async () => {
    const home = newHome();
    const { program, starts } = countingProgram();
    const connections = await Promise.all(Array.from({ length: 50 }, () => connect(home, program)));
    expect(new Set(connections.map(({ info }) => info.brokerId)).size).toBe(1);
    expect(starts().length).toBeLessThan(5);
  });

  test("fifty brokers at once, without a claim between them, leave one", async () => {
    const home = newHome();
    const brokers = Array.from({ length: 50 }, () => startBroker(home));
    const running = () => brokers.filter((broker) => broker.exitCode === null);
    await expect.poll(running, { timeout: timeoutMs }).toHaveLength(1);
    const losers = brokers.filter((broker) => broker.exitCode !== null);
    expect(losers.map((broker) => broker.exitCode)).toEqual(losers.map(() => brokerExit.done));
    expect((await connect(home)).info.pid).toBe(running()[0]?.pid);
  });

  test("starts another broker after a kill, over the socket that was left", async () => {
    const home = newHome();
    const killed = await connect(home);
    await kill(killed);
    expect(existsSync(home.socketPath)).toBe(true);
    const next = await connect(home);
    expect(next.info.brokerId).not.toBe(killed.info.brokerId);
  });

  test("replaces a file that stands in the socket's place", async () => {
    const home = newHome();
    writeFileSync(home.socketPath, "");
    await connect(home);
    expect(statSync(home.socketPath).isSocket()).toBe(true);
  });

  test("waits for a broker that is about to end, then starts the next", async () => {
    const home = newHome();
    const first = await connect(home);
    const watch = createClient(Health, first.channel).watch({ service: "" });
    for await (const { status } of watch) {
      if (status === HealthCheckResponse_ServingStatus.NOT_SERVING) break;
      process.kill(first.info.pid, "SIGTERM");
    }
    const next = await connect(home);
    expect(next.info.brokerId).not.toBe(first.info.brokerId);
    // It frees the home's lock just before its process ends.
    await expect.poll(() => isRunning(first.info.pid)).toBe(false);
    expect(isRunning(next.info.pid)).toBe(true);
  });

  test("reports a database of a newer version", async () => {
    const home = newHome();
    await makeNewerDatabase(home);
    await expect(connect(home)).rejects.toMatchObject({ code: "STORE_NEWER" });
    const { code, stderr } = await startBroker(home).ended;
    expect(code).toBe(brokerExit.storeNewer);
    expect(stderr).toContain("newer version");
  });

  test("reports a database that is none", async () => {
    const home = newHome();
    writeFileSync(home.databasePath, "x".repeat(8192));
    await expect(connect(home)).rejects.toMatchObject({
      code: "STORE_DAMAGED",
      message: expect.stringContaining(home.databasePath),
    });
    expect(readFileSync(home.logPath, "utf8")).toContain("did not start");
    expect((await startBroker(home).ended).code).toBe(brokerExit.storeDamaged);
  });
});

describe("a broker's process", { timeout: 2 * timeoutMs }, () => {
  test("tells a person one line about itself, and keeps everything to itself", async () => {
    const home = newHome();
    const broker = startBroker(home);
    const line = await firstLine(broker);
    for (const fact of [VERSION, home.path, `unix:${home.socketPath}`, `pid ${broker.pid}`]) {
      expect(line).toContain(fact);
    }
    for (const path of [
      home.socketPath,
      home.lockPath,
      home.databasePath,
      home.operatorTokenPath,
    ]) {
      expect(statSync(path).mode & 0o777, path).toBe(0o600);
    }
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "stops in good order on %s",
    async (signal) => {
      const home = newHome();
      const broker = startBroker(home);
      await firstLine(broker);
      broker.kill(signal);
      expect((await broker.ended).code).toBe(brokerExit.done);
      expect(existsSync(home.socketPath)).toBe(false);
      expect(logLines(home).at(-1)).toMatchObject({ by: signal, msg: "stopped" });
    },
  );

  test("stops when the operator asks, and not for anyone else", async () => {
    const home = newHome();
    const broker = startBroker(home);
    await firstLine(broker);
    const { client } = await connect(home);
    await expect(client.stopBroker({})).rejects.toThrow();
    const authorization = `Bearer ${await readOperatorToken(home)}`;
    expect(await client.stopBroker({}, { headers: { authorization } })).toMatchObject({
      pid: broker.pid,
    });
    expect((await broker.ended).code).toBe(brokerExit.done);
    expect(logLines(home).at(-1)).toMatchObject({ by: "StopBroker", msg: "stopped" });
  });

  test("stops in good order while a client listens", async () => {
    const home = newHome();
    const broker = startBroker(home);
    await firstLine(broker);
    const { channel } = await connect(home);
    const health = createClient(Health, channel);
    const seen: number[] = [];
    for await (const { status } of health.watch({ service: "" })) {
      seen.push(status);
      if (seen.length === 1) broker.kill("SIGTERM");
    }
    expect(seen).toEqual([1, 2]);
    expect((await broker.ended).code).toBe(brokerExit.done);
  });

  test.each([
    ["its socket", (home: Home) => home.socketPath],
    ["its home", (home: Home) => home.path],
  ])("stops when %s is removed, since no one can find it any more", async (_what, pathIn) => {
    const home = newHome();
    const broker = startBroker(home);
    await firstLine(broker);
    rmSync(pathIn(home), { recursive: true });
    expect((await broker.ended).code).toBe(brokerExit.done);
  });

  test.each([
    ["a file", async (home: Home) => writeFileSync(join(home.path, "other"), "")],
    ["another's socket", (home: Home) => listenAt(join(home.path, "other"))],
  ])(
    "stops when %s takes its socket's place, and the next send meets another",
    async (_what, put) => {
      const home = newHome();
      const broker = startBroker(home);
      await firstLine(broker);
      await put(home);
      renameSync(join(home.path, "other"), home.socketPath);
      expect((await broker.ended).code).toBe(brokerExit.done);
      const by = `${home.socketPath} was replaced`;
      expect(logLines(home).at(-1)).toMatchObject({ by, msg: "stopped" });
      expect((await connect(home)).info.pid).not.toBe(broker.pid);
    },
  );

  test("stops when its home is moved away, which leaves room for another's", async () => {
    const home = newHome();
    const broker = startBroker(home);
    await firstLine(broker);
    renameSync(home.path, `${home.path}.was`);
    expect((await broker.ended).code).toBe(brokerExit.done);
  });

  test("goes on when the reader of its output is gone", async () => {
    const home = newHome();
    const broker = startBroker(home);
    broker.stderr?.destroy();
    await expect.poll(() => existsSync(home.socketPath), { timeout: timeoutMs }).toBe(true);
    const { client, info } = await connect(home);
    // Its line is written right after its log's first.
    await expect.poll(() => logLines(home).at(0)).toMatchObject({ msg: "listening" });
    await sleep(200);
    expect((await client.getServerInfo({})).brokerId).toBe(info.brokerId);
    expect(broker.exitCode).toBeNull();
  });

  test("ends on a defect, with a code of its own and a line in the log", async () => {
    const home = newHome();
    const defect = `process.on("SIGUSR2", () => { throw new Error("boom"); })`;
    const broker = startBroker(home, ["--import", `data:text/javascript,${defect}`]);
    await firstLine(broker);
    broker.kill("SIGUSR2");
    expect((await broker.ended).code).toBe(brokerExit.crashed);
    expect(logLines(home).at(-1)).toMatchObject({ level: "fatal", err: { message: "boom" } });
    expect((await connect(home)).info.pid).not.toBe(broker.pid);
  });

  test("is refused where PEERLINE_BROKER names another", async () => {
    const home = newHome();
    const broker = startBroker(home, [], { PEERLINE_BROKER: "unix:/run/other.sock" });
    const { code, stderr } = await broker.ended;
    expect(code).toBe(brokerExit.failed);
    expect(stderr).toContain("PEERLINE_BROKER=unix:/run/other.sock");
    expect(existsSync(home.socketPath)).toBe(false);
  });

  test("refuses a home that is unusable, with one sentence", async () => {
    const broker = startBroker({ path: "/proc/peerline" });
    const { code, stderr } = await broker.ended;
    expect(code).toBe(brokerExit.failed);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toContain("/proc/peerline");
  });
});

function newHome(): Home {
  return openHome(join(temporaryDirectory(), "home"));
}

/** Connects as an agent does; the broker that answers ends with the test. */
async function connect(home: Home, run = program): Promise<Connection> {
  const config = readConfig({ PATH: process.env["PATH"], PEERLINE_HOME: home.path });
  const connection = await connectBroker({ config, program: run, start: true });
  onTestFinished(() => kill(connection));
  return connection;
}

async function kill(connection: Connection): Promise<void> {
  await connection.close();
  const { pid } = connection.info;
  if (!isRunning(pid)) return;
  process.kill(pid, "SIGKILL");
  await expect.poll(() => isRunning(pid), { timeout: timeoutMs }).toBe(false);
}

// A process that has ended and was not reaped yet does not run.
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** The broker in the foreground, as a person runs it. */
function startBroker(
  home: { path: string },
  nodeOptions: string[] = [],
  environment: NodeJS.ProcessEnv = {},
): ForegroundBroker {
  const env = { PATH: process.env["PATH"], PEERLINE_HOME: home.path, ...environment };
  const broker = spawn(process.execPath, [...nodeOptions, program, "broker"], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void broker.kill("SIGKILL"));
  return Object.assign(broker, { ended: endOf(broker) });
}

interface ForegroundBroker extends ChildProcess {
  /** Listened for from its start: it may end before somebody asks. */
  readonly ended: Promise<{ code: number | null; stderr: string }>;
}

/** Starts the real program and counts how often. */
function countingProgram(): { program: string; starts: () => string[] } {
  const directory = temporaryDirectory();
  const log = join(directory, "starts");
  const counting = join(directory, "peerline.mjs");
  writeFileSync(log, "");
  writeFileSync(
    counting,
    `import { appendFileSync } from "node:fs";
     appendFileSync(${JSON.stringify(log)}, process.pid + "\\n");
     await import(${JSON.stringify(program)});`,
  );
  return { program: counting, starts: () => readFileSync(log, "utf8").trim().split("\n") };
}

/** The database as a later version of this program leaves it. */
async function makeNewerDatabase(home: Home): Promise<void> {
  await kill(await connect(home));
  const database = new Database(home.databasePath);
  // A thread of the killed broker may hold its lock for a moment longer.
  await eventually(() => database.exec("PRAGMA user_version = 1000"));
  database.close();
}

async function listenAt(path: string): Promise<void> {
  const server = createServer((connection) => connection.on("error", () => {})).listen(path);
  onTestFinished(() => void server.close());
  await once(server, "listening");
}

async function firstLine(broker: ChildProcess): Promise<string> {
  if (broker.stderr === null) throw new Error("no stderr");
  const [chunk] = (await once(broker.stderr, "data")) as [Buffer];
  return chunk.toString();
}

async function endOf(broker: ChildProcess): ForegroundBroker["ended"] {
  let stderr = "";
  broker.stderr?.on("data", (chunk: Buffer) => void (stderr += chunk.toString()));
  const [code] = (await once(broker, "close")) as [number | null];
  return { code, stderr };
}

function logLines(home: Home): Record<string, unknown>[] {
  const lines = readFileSync(home.logPath, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
