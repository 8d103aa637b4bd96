import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { openChannel, createClient } from "../../src/rpc/client.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { MachineScope } from "../../gen/peerline/v1/machine_pb.js";
import { machineHeader } from "../../src/contract/machines.js";
import type { Agent } from "../mcp/agent.js";
import { TestHome } from "../mcp/test-home.js";
import { argumentsOfAll } from "../support/process-reading.js";
import { eventually, newSecret, reasonOf } from "../support/test-broker.js";
import { Dialogue } from "./dialogue.js";
import { Operator } from "./operator.js";
import { commandOf, credentialOf, openTwoHomes, SharedHome, tryCommand } from "./shared-home.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 90_000 });

let laptop: SharedHome;
let desktop: TestHome;

beforeEach(async () => {
  ({ laptop, desktop } = await openTwoHomes());
});

describe("two machines", () => {
  test("exchange messages both ways, and lose none and show none twice when the broker is killed", async () => {
    const [api] = await laptop.startAll("api");
    await commandOf(desktop.path, "join", await laptop.share());
    const web = await desktop.start("web");
    await eventually(async () => expect(await namesSeenBy(web)).toContain("api"));
    expect(await namesSeenBy(api)).toContain("web");

    const dialogue = new Dialogue({ api, web });
    for (let round = 0; round < 4; round++) {
      await dialogue.round(`round ${round}`);
      if (round === 1) await laptop.killBroker("SIGKILL");
      await dialogue.hear();
    }
    await dialogue.isWhole();
    // The joined home never began a broker of its own.
    expect(existsSync(join(desktop.path, "peerline.db"))).toBe(false);
    const { stdout } = await laptop.command("machines");
    expect(stdout).toMatch(/agent\s+connected/);
  });

  test("a machine that is revoked loses its sessions now, and is told why; leaving undoes joining to the byte", async () => {
    const before = filesIn(desktop.path);
    await commandOf(desktop.path, "join", await laptop.share(), "--name", "desktop.example");
    expect(statSync(join(desktop.path, "joined.json")).mode & 0o777).toBe(0o600);
    const agent = await desktop.start("web");
    await eventually(async () => expect(await namesSeenBy(agent)).toEqual([]));
    const { stdout } = await laptop.command("machines", "revoke", "desktop");
    expect(stdout).toContain("desktop is let in no more; 1 session ended.");
    expect(await agent.failure("list_peers")).toContain("does not let this machine in");
    await agent[Symbol.asyncDispose]();
    await commandOf(desktop.path, "leave");
    const own = new Set(["peers", "doorbells", "broker.starting"]);
    expect(filesIn(desktop.path).filter((name) => !own.has(name))).toEqual(before);
  });

  test("sharing no more undoes sharing to the byte, whatever else the settings say", async () => {
    const path = join(laptop.path, "broker.toml");
    const text = "# mine\n[limits]\npeers = 500";
    writeFileSync(path, text, { mode: 0o600 });
    await laptop.share();
    expect(readFileSync(path, "utf8")).toBe(
      `${text}\n[share]\nlisten = "${laptop.address}"\naddress = "${laptop.address}"\n`,
    );
    await laptop.share("--expires", "1h");
    using anybody = laptop.remote();
    await laptop.command("share", "--off");
    expect(readFileSync(path, "utf8")).toBe(text);
    await expect(anybody.client.getServerInfo({})).rejects.toMatchObject({ code: 14 });
  });
});

describe("is refused by its own clear error", () => {
  test("a line that was used, or whose time is over", async () => {
    const used = await laptop.share();
    await commandOf(desktop.path, "join", used);
    await commandOf(desktop.path, "leave");
    expect(await refusal("join", used)).toContain("was used already");

    const short = await laptop.share("--expires", "1s");
    const endMs = Date.now() + 1000;
    await eventually(() => expect(Date.now()).toBeGreaterThan(endMs));
    expect(await refusal("join", short)).toContain("time of the token to enrol with is over");
  });

  test("a line that is cut, or of another broker, which uses nothing up", async () => {
    const good = await laptop.share();
    expect(await refusal("join", good.slice(0, -1))).toContain("no line to join with");
    const otherCa = good.replace(/sha256:./, (found) => `sha256:${found.endsWith("0") ? 1 : 0}`);
    expect(await refusal("join", otherCa)).toContain("certificate authority is another");
    const otherToken = good.replace(/\/[\w-]{43}#/, `/${newSecret()}#`);
    expect(await refusal("join", otherToken)).toContain("not of this broker");
    await commandOf(desktop.path, "join", good);
    expect(await refusal("join", good)).toContain("has joined the broker");
  });

  test("a call without a credential, with a wrong one, or with another machine's session", async () => {
    const line = await laptop.share("--uses", "2");
    await commandOf(desktop.path, "join", line);
    const tablet = await TestHome.open();
    await commandOf(tablet.path, "join", line);
    const first = credentialOf(desktop);
    const second = credentialOf(tablet);

    using nobody = laptop.remote();
    expect(await reasonOf(nobody.client.getServerInfo({}))).toBe("MACHINE_REQUIRED");
    expect(await reasonOf(nobody.client.register({ secret: newSecret() }))).toBe(
      "MACHINE_REQUIRED",
    );
    using guesser = laptop.remote({ credential: newSecret() });
    expect(await reasonOf(guesser.client.getServerInfo({}))).toBe("MACHINE_UNKNOWN");

    using one = laptop.remote({ credential: first });
    const { sessionToken } = await one.client.register({ secret: newSecret(), name: "one" });
    using own = laptop.remote({ credential: first, token: sessionToken });
    await own.client.updatePeer({ summary: "mine" });
    using thief = laptop.remote({ credential: second, token: sessionToken });
    expect(await reasonOf(thief.client.updatePeer({ summary: "stolen" }))).toBe("SESSION_FOREIGN");
    const socket = openChannel(`unix:${join(laptop.path, "broker.sock")}`);
    const headers = { authorization: `Bearer ${sessionToken}` };
    const local = createClient(BrokerService, socket);
    expect(await reasonOf(local.updatePeer({}, { headers }))).toBe("SESSION_FOREIGN");
    socket.close();
    await tablet[Symbol.asyncDispose]();
  });

  test("the operator's token of another machine, and what the scope does not allow", async () => {
    const line = await laptop.share("--scope", "observe");
    await commandOf(desktop.path, "join", line);
    const credential = credentialOf(desktop);
    using observer = laptop.remote({ credential });
    expect((await observer.client.listMachines({})).machines).toMatchObject([
      { scope: MachineScope.OBSERVE },
    ]);
    await observer.client.listMessages({});
    expect(await reasonOf(observer.client.register({ secret: newSecret() }))).toBe(
      "SCOPE_EXCEEDED",
    );
    expect(await reasonOf(observer.client.sendMessage({ to: ["x"], text: "x" }))).toBe(
      "SCOPE_EXCEEDED",
    );
    expect(await reasonOf(observer.client.mutePeer({ peer: "x" }))).toBe("SCOPE_EXCEEDED");
    expect(await reasonOf(observer.client.createEnrolment({}))).toBe("SCOPE_EXCEEDED");
    const token = readFileSync(join(laptop.path, "operator.token"), "utf8").trim();
    using operator = laptop.remote({ credential, token });
    expect(await reasonOf(operator.client.listMessages({}))).toBe("NOT_ALLOWED");
    expect(await reasonOf(operator.client.stopBroker({}))).toBe("SCOPE_EXCEEDED");
    expect((await tryCommand(desktop.path, "stop")).stderr).toContain("stop it there");
  });

  test("plaintext to the TLS port, TLS to the socket, and TLS 1.2", async () => {
    await laptop.share();
    const plain = openChannel(laptop.address);
    const headers = { [machineHeader]: newSecret() };
    const client = createClient(BrokerService, plain);
    await expect(client.getServerInfo({}, { headers })).rejects.toMatchObject({ code: 14 });
    plain.close();
    expect(await handshake(laptop.address, "TLSv1.2")).toMatch(
      /protocol version|handshake failure/,
    );
    expect(await handshake(laptop.address, "TLSv1.3")).toBe("TLSv1.3 h2");
    // The broker goes on.
    expect((await new Operator(laptop.path).info()).pid).toBeGreaterThan(0);
  });
});

test("no token or credential is in an argument, a log or a file of another", async () => {
  const line = await laptop.share();
  const token = /\/([\w-]{43})#/.exec(line)?.[1] ?? "";
  await commandOf(desktop.path, "join", line);
  const agent = await desktop.start("web");
  await agent.facts("list_peers");
  const credential = credentialOf(desktop);
  for (const [path, text] of [...texts(laptop), ...texts(desktop)]) {
    expect(text.includes(token), path).toBe(false);
    expect(text.includes(credential), path).toBe(path.endsWith("joined.json"));
  }
  expect(argumentsOfAll()).not.toContain(credential);
  expect(agent.log).not.toContain(credential);
});

async function namesSeenBy(agent: Agent): Promise<string[]> {
  const { peers } = (await agent.facts("list_peers")) as { peers: { name: string }[] };
  return peers.map(({ name }) => name);
}

async function refusal(...args: string[]): Promise<string> {
  const { code, stderr } = await tryCommand(desktop.path, ...args);
  expect(code).toBe(1);
  return stderr;
}

function filesIn(folder: string): string[] {
  return readdirSync(folder).toSorted();
}

/** The path and the text of each file of a home. */
function texts(home: TestHome): (readonly [string, string])[] {
  return filesIn(home.path)
    .map((name) => join(home.path, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => [path, readFileSync(path).toString("latin1")] as const);
}

/** What a TLS client that offers one version hears: version and protocol, or the error. */
async function handshake(address: string, version: "TLSv1.2" | "TLSv1.3"): Promise<string> {
  const { connect: connectTls } = await import("node:tls");
  const [host = "", port] = address.split(":");
  return new Promise((resolve) => {
    const socket = connectTls({
      socket: connect({ host, port: Number(port) }),
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      ALPNProtocols: ["h2"],
    });
    socket.once("secureConnect", () => {
      resolve(`${socket.getProtocol()} ${socket.alpnProtocol || ""}`);
      socket.destroy();
    });
    socket.once("error", (error) => resolve(error.message));
  });
}
