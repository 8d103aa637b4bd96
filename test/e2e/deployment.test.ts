import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Terminal } from "../cli/terminal.js";
import { isNatsMissing, natsServer } from "../support/nats-programs.js";
import { lastingPort } from "../support/nats-server.js";
import { eventually } from "../support/test-broker.js";

const folder = join(import.meta.dirname, "../../deploy/nats");
const names = ["nats-1", "nats-2", "nats-3"] as const;
test("what compose.yaml mounts and builds from is there", () => {
  const compose = read("compose.yaml");
  const mounted = [...compose.matchAll(/^ +- \.\/([^:]+):/gm)].map(([, path = ""]) => path);
  expect(mounted.length).toBeGreaterThan(6);
  const missing = mounted.filter(
    (path) => path !== "certificates" && !existsSync(join(folder, path)),
  );
  expect(missing).toEqual([]);
  expect(compose).toContain("dockerfile: deploy/nats/Dockerfile");
  for (const name of names) {
    expect(compose).toContain(`NATS_NAME: ${name}`);
    expect(read("nats.conf")).toContain(`nats://${name}:6222`);
  }
  // What the brokers say of themselves agrees with what they are called.
  for (const broker of readdirSync(join(folder, "brokers"))) {
    const name = broker.replace(".toml", "");
    expect(compose).toContain(`  ${name}:\n`);
    expect(read(`brokers/${broker}`)).toContain(`address = "${name}:7899"`);
  }
});

describe.skipIf(isNatsMissing() || !hasOpenssl())("the deployment's own files", () => {
  test("make a cluster and two brokers, and a machine that joined at one uses the other, too", async () => {
    const place = await mkdtemp(join(tmpdir(), "pl-deploy-"));
    onTestFinished(() => rm(place, { recursive: true, force: true }));
    const certificates = join(place, "certificates");
    execFileSync(join(folder, "make-certificates.sh"), [certificates], { stdio: "pipe" });
    const servers = await startServers(place, certificates);
    const [a, b] = [
      await openBroker("broker-a", { place, certificates, servers }),
      await openBroker("broker-b", { place, certificates, servers }),
    ];
    const info = (await a.home.json("status")) as { info: { store: object } };
    expect(info.info.store).toMatchObject({
      technology: "nats",
      durability: "DURABILITY_QUORUM_DISK",
      servers: names.map((name) => ({ name, online: true })),
    });

    // A line of one lets a machine reach both: the records of machines are in the engine.
    const { stdout: line } = await a.home.run("share");
    const [, invitation = ""] = /peerline join '([^']+)'/.exec(line) ?? [];
    const machine = await openTerminal();
    expect(await machine.run("join", invitation)).toMatchObject({ code: 0 });
    // People of three homes are three peers.
    const { stdout: greeting } = await machine.run("read");
    const [, me = ""] = /^No messages for (.*)\.$/m.exec(greeting) ?? [];
    expect(me).not.toBe("");
    const places = `tls:127.0.0.1:${a.port},tls:127.0.0.1:${b.port}`;
    const env = { ...machine.environment, PEERLINE_BROKER: places };
    const run = (...args: string[]) => machine.start(args, "", env).ended;
    expect(await run("send", me, "by the first")).toMatchObject({ code: 0 });
    expect((await a.home.run("stop")).code).toBe(0);
    await eventually(async () => {
      expect(await run("send", me, "by the second")).toMatchObject({ code: 0 });
    });
    const { stdout } = await run("read");
    expect(stdout).toContain("by the first");
    expect(stdout).toContain("by the second");
    expect((await b.home.run("machines")).stdout).toContain("127.0.0.1");
  });
});

interface Server {
  readonly name: string;
  readonly client: number;
}

/** The servers with the configuration as it is, except for what is the place's: addresses and folders. */
async function startServers(place: string, certificates: string): Promise<readonly Server[]> {
  const ports = await Promise.all(
    names.map(async (name) => {
      const [client, route, http] = [await lastingPort(), await lastingPort(), await lastingPort()];
      return { name, client, route, http };
    }),
  );
  for (const own of ports) {
    const data = join(place, own.name);
    mkdirSync(data);
    let text = read("nats.conf")
      .replace("0.0.0.0:4222", `127.0.0.1:${own.client}`)
      .replace("0.0.0.0:6222", `127.0.0.1:${own.route}`)
      .replace("127.0.0.1:8222", `127.0.0.1:${own.http}`)
      .replace('"/data"', JSON.stringify(data))
      .replaceAll("/certificates/", `${certificates}/`);
    for (const { name, route } of ports) text = text.replace(`${name}:6222`, `127.0.0.1:${route}`);
    const file = join(place, `${own.name}.conf`);
    writeFileSync(file, text);
    const env = { PATH: process.env["PATH"], NATS_NAME: own.name, NATS_PASSWORD: password };
    const child = spawn(natsServer("newest").path, ["--config", file], { env, stdio: "ignore" });
    onTestFinished(async () => {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    });
    await eventually(async () => {
      const answer = await fetch(`http://127.0.0.1:${own.http}/varz`);
      expect(answer.ok).toBe(true);
    });
  }
  return ports;
}

const password = "a-password-of-the-test";

/** A home with the broker's settings as they are, except for the same. */
async function openBroker(
  name: string,
  at: { place: string; certificates: string; servers: readonly Server[] },
): Promise<{ home: Terminal; port: number }> {
  const port = await lastingPort();
  const secret = join(at.place, "nats-password");
  writeFileSync(secret, `${password}\n`);
  chmodSync(secret, 0o600);
  let text = read(`brokers/${name}.toml`)
    .replace("0.0.0.0:7899", `127.0.0.1:${port}`)
    .replace(`${name}:7899`, `127.0.0.1:${port}`)
    .replace("/run/secrets/nats-password", secret)
    .replaceAll("/certificates/", `${at.certificates}/`);
  for (const server of at.servers) {
    text = text.replace(`${server.name}:4222`, `127.0.0.1:${server.client}`);
  }
  const home = await openTerminal();
  writeFileSync(join(home.home, "broker.toml"), text);
  expect(await home.run("read")).toMatchObject({ code: 0, stderr: "" });
  return { home, port };
}

async function openTerminal(): Promise<Terminal> {
  const terminal = await Terminal.open();
  onTestFinished(() => terminal[Symbol.asyncDispose]());
  return terminal;
}

function read(name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    console.warn("skipped: the deployment, because there is no openssl to make certificates with");
    return false;
  }
}
