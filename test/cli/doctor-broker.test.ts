import { once } from "node:events";
import { chmod, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import Database from "libsql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  StoreInfo_Durability,
  StoreServerSchema,
  type StoreInfo,
  type StoreServer,
} from "../../gen/peerline/v1/broker_service_pb.js";
import type { RunningBroker } from "../../src/cli/doctor/broker-view.js";
import { checkPeers } from "../../src/cli/doctor/check-agents.js";
import { checkBroker, checkClock, checkStore } from "../../src/cli/doctor/check-broker.js";
import { judge } from "../../src/cli/doctor/check-disk.js";
import { checkEngine } from "../../src/cli/doctor/check-engine.js";
import { checkSecrets } from "../../src/cli/doctor/check-home-files.js";
import { gatherEvidence, type Evidence } from "../../src/cli/doctor/evidence.js";
import { isTrouble, type Finding } from "../../src/cli/doctor/finding.js";
import { reserveBytes } from "../../src/cli/limits.js";
import { takeLock } from "../../src/daemon/lock.js";
import { readConfig, readUserPlaces } from "../../src/endpoint/config.js";
import { openHome } from "../../src/endpoint/home.js";
import { isRunning } from "../../src/endpoint/process-stamp.js";
import { createSecret } from "../../src/endpoint/secrets.js";
import { sqliteLimits } from "../../src/store/sqlite/limits.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { HostilePeer } from "../support/hostile-peer.js";
import { program, startBrokerHome, type BrokerHome } from "../support/program.js";
import { DoctorMachine } from "./doctor-machine.js";

describe("a broker", () => {
  test("that was killed has left its socket, and the next agent takes it", async () => {
    await using machine = await DoctorMachine.make();
    process.kill(await machine.startBroker(), "SIGKILL");
    await expect.poll(async () => (await machine.peerline("status")).code).toBe(3);
    expect(await machine.finding("broker-socket-left")).toMatchObject({
      severity: "note",
      fix: expect.stringContaining("the next agent starts a broker"),
    });
  });

  test("that does not answer is named with how to end it", async () => {
    await using machine = await DoctorMachine.make();
    const pid = await machine.startBroker();
    process.kill(pid, "SIGSTOP");
    try {
      const finding = await machine.finding("broker-silent");
      expect(finding.severity).toBe("problem");
      const fixes = { linux: `kill -KILL ${pid}` } as Record<string, string>;
      expect(finding.fix).toContain(fixes[process.platform] ?? "fuser -k");
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  test("whose socket's place is taken by a file is named", async () => {
    await using machine = await DoctorMachine.make({ ".peerline/broker.sock": "" });
    const socket = machine.path(".peerline/broker.sock");
    expect(await machine.finding("broker-socket-foreign")).toMatchObject({
      severity: "problem",
      fix: `mv ${socket} ${socket}.set-aside`,
    });
  });

  test("that PEERLINE_BROKER names and that does not run is named", async () => {
    await using machine = await DoctorMachine.make();
    const env = { PEERLINE_BROKER: `unix:${machine.path("none.sock")}` };
    expect(await machine.finding("broker-absent", env)).toMatchObject({
      severity: "problem",
      fix: expect.stringContaining("unset PEERLINE_BROKER"),
    });
  });

  test("that is none, but something that listens, is named", async () => {
    await using machine = await DoctorMachine.make();
    const socket = machine.path(".peerline/broker.sock");
    const server = createServer((connection) => {
      connection.on("error", () => {});
      connection.end("hello");
    }).listen(socket);
    await once(server, "listening");
    const findings = await machine.findings();
    server.close();
    expect(findings.filter(({ id }) => /^broker-(?:silent|unseen)$/.test(id))).toHaveLength(1);
  });

  test("that was killed with all of the mail in its log is no finding, and no mail is lost", async () => {
    await using machine = await DoctorMachine.make();
    const pid = await machine.startBroker();
    const texts = ["one", "two", "three", "four", "five"];
    for (const text of texts) await machine.peerline("send", userInfo().username, text);
    process.kill(pid, "SIGKILL");
    await expect.poll(() => isRunning(pid)).toBe(false);
    expect((await machine.findings()).filter(({ id }) => id === "store-damaged")).toEqual([]);
    const { stdout } = await machine.peerline("read");
    for (const text of texts) expect(stdout).toContain(text);
  });

  test("that has just begun to make its database is no finding", async () => {
    await using machine = await DoctorMachine.make();
    const database = new Database(machine.path(".peerline/peerline.db"));
    database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    database.pragma("journal_mode = WAL");
    database.close();
    await chmod(machine.path(".peerline/peerline.db"), 0o600);
    expect((await machine.findings()).filter(isTrouble)).toEqual([]);
  });

  test("that holds the home, whatever it makes of its database, is left to do so", async () => {
    await using machine = await DoctorMachine.make({
      ".peerline/peerline.db": "half of a first page",
      ".peerline/broker.log": `{"msg":"did not start","err":{"code":"DATA_LOSS"}}\n`,
    });
    const lock = takeLock(machine.path(".peerline/lock.db"));
    const held = (await machine.findings()).filter(isOfStore);
    lock?.[Symbol.dispose]();
    if (process.platform === "linux") expect(held).toEqual([]);
    expect((await machine.findings()).filter(isOfStore)).toHaveLength(2);
    await machine.write(".peerline/broker.starting", "");
    expect((await machine.findings()).filter(isOfStore)).toEqual([]);
  });

  test("whose database is damaged is told to salvage it, and only what it refused is set aside, whole", async () => {
    await using machine = await DoctorMachine.make();
    await machine.startBroker();
    expect((await machine.peerline("stop")).code).toBe(0);
    const database = machine.path(".peerline/peerline.db");
    await writeFile(database, "no database at all, but long enough for a head of one: ".repeat(9));
    expect(await machine.finding("store-damaged")).toMatchObject({
      severity: "problem",
      subject: database,
      fix: expect.stringContaining("Leave its files where they are"),
    });
    expect((await machine.peerline("broker")).code).not.toBe(0);
    expect(await machine.finding("broker-start-failed")).toMatchObject({
      severity: "problem",
      seen: expect.stringContaining("did not start"),
    });
    await writeFile(`${database}-wal`, "its log");
    expect((await machine.finding("store-damaged")).commands).toEqual([
      `mkdir -m 700 ${database}.set-aside`,
      `mv ${database}-wal ${database} ${database}.set-aside/`,
    ]);
  });
});

function isOfStore({ id }: Finding): boolean {
  return id === "store-damaged" || id === "broker-start-failed";
}

describe("what a running broker tells", () => {
  let home: BrokerHome;
  let evidence: Evidence & { broker: RunningBroker };

  beforeAll(async () => {
    home = await startBrokerHome();
    using recipient = await HostilePeer.join(home.path);
    using sender = await HostilePeer.join(home.path);
    await sender.client.sendMessage({ to: ["mallory"], text: "hello" });
    recipient[Symbol.dispose]();
    const asked = {
      config: readConfig(home.environment),
      places: readUserPlaces({ PATH: "" }),
      project: home.path,
      program,
      nowMs: Date.now(),
    };
    const gathered = await gatherEvidence(asked, new AbortController().signal);
    if (gathered.broker.state !== "running") throw new Error(JSON.stringify(gathered.broker));
    evidence = { ...gathered, broker: gathered.broker };
  });
  afterAll(() => home[Symbol.asyncDispose]());

  test("is well as it is", async () => {
    const findings = [
      ...checkBroker(evidence),
      ...checkStore(evidence),
      ...checkClock(evidence),
      ...checkPeers(evidence),
      ...(await checkSecrets(evidence)),
    ];
    expect(findings.filter(({ severity }) => severity !== "ok")).toEqual([]);
  });

  test("peers not seen for a week are stale, and those with mail say how to start them", () => {
    const nowMs = evidence.nowMs + 8 * 86_400_000;
    const stale = checkPeers({ ...evidence, nowMs }).filter(({ id }) => id === "peers-stale");
    expect(stale).toMatchObject([
      {
        severity: "warning",
        subject: "mallory",
        seen: expect.stringMatching(/^last seen 8 d ago, and 1 message for it wait/),
        fix: expect.stringContaining("PEERLINE_NAME=mallory"),
      },
      { severity: "note", seen: expect.stringMatching(/^1 peer not seen for a week/) },
    ]);
  });

  test("a clock that was set back is named", () => {
    const findings = checkClock({ ...evidence, nowMs: evidence.nowMs - 3_600_000 });
    expect(findings).toMatchObject([
      { id: "clock", severity: "warning", fix: expect.stringContaining("Set the clock right") },
      { id: "clock", severity: "warning" },
    ]);
  });

  test("another version of the broker is named with how to change it", () => {
    const broker = { ...evidence.broker, info: { ...evidence.broker.info, version: "0.0.1" } };
    const found = checkBroker({ ...evidence, broker });
    expect(found.find(({ id }) => id === "broker-version")).toMatchObject({
      severity: "warning",
      fix: expect.stringContaining(" stop "),
    });
  });

  test("a store that takes no messages, or set some aside, says so", () => {
    const { info } = evidence.broker;
    if (info.store === undefined) throw new Error("no store");
    const problem = "The disk is full.";
    const store = { ...info.store, writable: false, problem, damagedMessages: 2n };
    const broker = { ...evidence.broker, info: { ...info, store } };
    expect(checkStore({ ...evidence, broker })).toMatchObject([
      { id: "store-closed", severity: "problem", seen: expect.stringContaining(problem) },
      { id: "store-damaged", severity: "warning", seen: expect.stringContaining("2 damaged") },
    ]);
  });

  test("an engine's servers are told, with what is wrong with them", () => {
    const { info } = evidence.broker;
    expect(checkEngine(evidence)).toEqual([]);
    const look = (given: Partial<StoreInfo>) => {
      const store = { ...info.store, ...given } as StoreInfo;
      return checkEngine({ ...evidence, broker: { ...evidence.broker, info: { ...info, store } } });
    };
    const n1 = server({ name: "n1", leads: ["peerline-mail"] });
    const well = { technology: "nats", servers: [n1, server({ name: "n2" })] };
    expect(look(well)).toEqual([
      {
        id: "engine",
        severity: "ok",
        subject: "nats",
        seen: "2 servers, 1 of them leading streams",
      },
    ]);
    const durability = StoreInfo_Durability.QUORUM_MEMORY;
    expect(look({ ...well, durability })).toMatchObject([
      { id: "engine" },
      { id: "engine-durability", severity: "note", fix: expect.stringContaining("sync_interval") },
    ]);
    const servers = [n1, server({ name: "n2", online: false }), server({ name: "n3", behind: 7n })];
    expect(look({ servers, bytes: 95n, maxBytes: 100n })).toMatchObject([
      { id: "engine-server", severity: "warning", subject: "n2" },
      { id: "engine-server", subject: "n3", seen: "its copies are 7 writes behind" },
      { id: "engine-full", seen: "its streams have used 95 % of what they may hold" },
    ]);
  });

  test("more secrets than peers are noted", async () => {
    const { path } = openHome(join(temporaryDirectory(), "home"));
    for (let made = 0; made < 3; made += 1) await createSecret(openHome(path));
    const looked = { ...evidence, home: { path, state: "usable" as const } };
    expect(await checkSecrets(looked)).toMatchObject([
      {
        id: "secrets",
        severity: "note",
        seen: expect.stringMatching(/^3 secrets for 2 peers: 1 /),
      },
    ]);
  });
});

function server(given: Partial<Omit<StoreServer, "$typeName" | "$unknown">>): StoreServer {
  const usual = { connected: false, online: true, behind: 0n, leads: [] };
  return create(StoreServerSchema, { ...usual, ...given });
}

test("a disk is judged by what the store keeps free", () => {
  expect(reserveBytes).toBe(sqliteLimits.reserveBytes);
  expect(judge("/d", reserveBytes - 1, 5)).toMatchObject({ id: "disk", severity: "problem" });
  expect(judge("/d", reserveBytes, 5)).toMatchObject({ severity: "warning" });
  expect(judge("/d", 100 * reserveBytes, 0)).toMatchObject({ severity: "problem" });
  expect(judge("/d", 100 * reserveBytes, undefined)).toMatchObject({ severity: "ok" });
});
