import { once } from "node:events";
import { chmodSync, readFileSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from "vitest";
import type { Finding, FindingId } from "../../src/cli/doctor/finding.js";
import { makeCertificate } from "../../src/daemon/make-certificate.js";
import { commandOf, SharedHome, tryCommand } from "../e2e/shared-home.js";
import { TestHome } from "../mcp/test-home.js";
import { freePort } from "../rpc/free-port.js";
import { installCopy } from "../support/installed-copy.js";
import { program, run, Running } from "../support/program.js";
import { eventually } from "../support/test-broker.js";
import { testCertificate } from "../support/test-certificate.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const dayMs = 24 * 60 * 60 * 1000;

let laptop: SharedHome;
let desktop: TestHome;

// One pair for all: each test leaves it whole, but for a broker that has ended.
beforeAll(async () => {
  laptop = await SharedHome.open();
  desktop = await TestHome.open();
  await commandOf(desktop.path, "join", await laptop.share(), "--name", "desktop");
});
beforeEach(async () => void (await laptop.share()));
afterAll(async () => {
  await desktop[Symbol.asyncDispose]();
  await laptop[Symbol.asyncDispose]();
});

/** Each link of the way to a broker, in the order in which doctor follows them. */
const links = ["chain-port", "chain-certificate", "clock", "chain-credential", "round-trip"];

describe("doctor on a machine that has joined", () => {
  test("follows the way to the broker, link by link", async () => {
    const named = { PEERLINE_BROKER: `tls:localhost:${portOf(laptop)}` };
    const found = await findings(named);
    const chain = found.filter(({ id }) => id === "chain-name" || links.includes(id));
    expect(chain.map(({ id, severity }) => [id, severity])).toEqual(
      ["chain-name", ...links].map((id) => [id, "ok"]),
    );
    expect(seenOf(chain, "chain-name")).toMatch(/localhost is .*127\.0\.0\.1/);
    expect(seenOf(chain, "chain-certificate")).toMatch(/joined; good until .*, 89 d from now/);
    expect(seenOf(chain, "clock")).toMatch(/within \d+ s/);
    expect(seenOf(chain, "chain-credential")).toContain("as desktop, scope agent");
    expect(seenOf(chain, "round-trip")).toMatch(/takes \d+(\.\d)? ms/);
    expect(found.filter(({ severity }) => severity === "problem")).toEqual([]);
  });

  test("names a name that is not known, and the setting that it advises helps", async () => {
    const port = portOf(laptop);
    editJoined((text) => text.replace("127.0.0.1", "no-such-machine.invalid"));
    const { seen, fix = "" } = await broken("chain-name");
    expect(seen).toContain("no-such-machine.invalid is not known here");
    const setting = /PEERLINE_BROKER=(tls:HOST:\d+)/.exec(fix)?.[1]?.replace("HOST", "127.0.0.1");
    expect(setting).toBe(`tls:127.0.0.1:${port}`);
    await expectWhole({ PEERLINE_BROKER: setting });
    editJoined((text) => text.replace("no-such-machine.invalid", "127.0.0.1"));
  });

  test("names a port that nobody listens at, and what it advises helps", async () => {
    await laptop.command("stop");
    const { seen, fix = "" } = await broken("chain-port");
    expect(seen).toContain("nothing listens at port");
    expect(fix).toContain("if it is gone for good, `peerline leave` here");
    await carryOutThere(fix);
    await expectWhole();
  });

  test("names what answers there and is no broker, or says nothing", async () => {
    const rude = await listen(
      createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
    );
    expect(await broken("chain-certificate", rude)).toMatchObject({
      seen: expect.stringContaining("does not speak TLS 1.3"),
      fix: expect.stringContaining("`peerline share --status` on that machine"),
    });
    const silent = await listen(createServer());
    expect(await broken("chain-certificate", silent)).toMatchObject({
      seen: expect.stringContaining("says nothing"),
    });
  });

  test("names another broker, and sends it nothing", async () => {
    const { key, chain } = await testCertificate();
    const heard: Buffer[] = [];
    const server = createTlsServer(
      { key, cert: chain, minVersion: "TLSv1.3", ALPNProtocols: ["h2"] },
      (socket) => socket.on("data", (bytes: Buffer) => heard.push(bytes)),
    );
    expect(await broken("chain-certificate", await listen(server))).toMatchObject({
      seen: expect.stringContaining("not the broker that was joined"),
      fix: expect.stringContaining("join with a new line"),
    });
    const { credential } = JSON.parse(readFileSync(join(desktop.path, "joined.json"), "utf8")) as {
      credential: string;
    };
    expect(Buffer.concat(heard).includes(credential)).toBe(false);
  });

  test.each([
    ["ended", -100 * dayMs, ["127.0.0.1"], /ended 10 d ago by this clock/],
    ["has not begun", 3 * dayMs, ["127.0.0.1"], /begins 22 h from now by this clock|begins 23 h/],
    ["is for another name", 0, ["elsewhere.example"], /not for 127\.0\.0\.1/],
  ] as const)("names a certificate that %s", async (_words, shiftMs, names, seen) => {
    const [key = "", certificate = ""] =
      readFileSync(join(laptop.path, "tls/ca.pem"), "utf8").match(
        /-----BEGIN [\s\S]*?-----END .*-----/g,
      ) ?? [];
    const made = await makeCertificate({ key, certificate }, names, Date.now() + shiftMs);
    const server = createTlsServer({
      key: made.key,
      cert: `${made.certificate}\n${certificate}`,
      minVersion: "TLSv1.3",
      ALPNProtocols: ["h2"],
    });
    const found = await broken("chain-certificate", await listen(server));
    expect(found.seen).toMatch(seen);
    expect(found.fix).toMatch(/date -u|peerline share --address/);
  });

  test("names a certificate that is not for the address, and what it advises helps", async () => {
    rmSync(join(laptop.path, "tls/server.pem"));
    await laptop.command("stop");
    const [key = "", certificate = ""] =
      readFileSync(join(laptop.path, "tls/ca.pem"), "utf8").match(
        /-----BEGIN [\s\S]*?-----END .*-----/g,
      ) ?? [];
    const made = await makeCertificate({ key, certificate }, ["elsewhere.example"], Date.now());
    const server = createTlsServer({
      key: made.key,
      cert: made.certificate,
      minVersion: "TLSv1.3",
      ALPNProtocols: ["h2"],
    });
    server.listen(Number(portOf(laptop)), "127.0.0.1");
    await once(server, "listening");
    const { fix = "" } = await broken("chain-certificate");
    server.close();
    await once(server, "close");
    await carryOutThere(fix);
    await expectWhole();
  });

  test.each([
    [
      30 * 60_000,
      "warning",
      /is (?:29|30) min behind the broker's: .* as long as this is less than 2 d/,
    ],
    [
      4 * dayMs,
      "problem",
      /is (?:3|4) d behind the broker's: .* from \S+ \S+ on its certificate is refused/,
    ],
    [-2 * 60 * 60_000, "warning", /is (?:1|2) h ahead of the broker's: .* less than 30 d/],
  ] as const)(
    "compares the clock with that of a broker whose clock is off by %i ms",
    async (ms, severity, seen) => {
      await laptop.command("stop");
      await using broker = await startShifted(ms);
      expect(broker.child.pid).toBeGreaterThan(0);
      // It may have to make a certificate first.
      await eventually(() => commandOf(desktop.path, "peers"));
      const found = await findings();
      expect(found.find(({ id }) => id === "clock")).toMatchObject({
        severity,
        seen: expect.stringMatching(seen),
        fix: expect.stringContaining("date -u"),
      });
      // What it does not break goes on.
      expect(found.find(({ id }) => id === "chain-credential")).toMatchObject({ severity: "ok" });
    },
  );

  test("names a machine that was revoked, and what it advises helps", async () => {
    await laptop.command("machines", "revoke", "desktop");
    const { commands = [] } = await broken("chain-credential");
    await carryOutHere(commands);
    expect((await findings()).some(({ id }) => id.startsWith("chain-"))).toBe(false);
    await commandOf(desktop.path, "join", await laptop.share(), "--name", "desktop");
    await expectWhole();
  });

  test("names a broker of another version", async () => {
    await laptop.command("stop");
    const older = installCopy(join(laptop.path, "older"), "0.0.9");
    const env = { PATH: process.env["PATH"], HOME: laptop.path, PEERLINE_HOME: laptop.path };
    await using broker = new Running(process.execPath, [older, "broker"], env);
    await eventually(() => commandOf(desktop.path, "peers"));
    expect(broker.child.pid).toBeGreaterThan(0);
    const found = await findings();
    expect(found.find(({ id }) => id === "broker-version")).toMatchObject({
      severity: "warning",
      seen: expect.stringContaining("0.0.9"),
    });
    expect(found.find(({ id }) => id === "round-trip")).toMatchObject({ severity: "ok" });
  });

  test("names this home's own broker where that still runs, and what it advises ends it", async () => {
    const joined = readFileSync(join(desktop.path, "joined.json"));
    rmSync(join(desktop.path, "joined.json"));
    await commandOf(desktop.path, "send", "nobody", "x").catch(() => {});
    writeFileSync(join(desktop.path, "joined.json"), joined, { mode: 0o600 });
    const own = (await findings()).find(({ id }) => id === "broker-own");
    expect(own).toMatchObject({ severity: "warning", seen: expect.stringContaining("still runs") });
    await carryOutHere(own?.commands ?? []);
    await expectWhole();
  });
});

describe("what was kept of the broker", () => {
  test("is damaged: doctor says so, no agent starts a broker, and the advice helps", async () => {
    const whole = readFileSync(kept(), "utf8");
    const damages = [
      whole.slice(0, 40),
      "",
      whole.replace("credential", "other"),
      whole.replace(/127\.0\.0\.1:\d+/, "127.0.0.1"),
    ];
    for (const text of damages) {
      writeFileSync(kept(), text, { mode: 0o600 });
      const [found, ...others] = await findings();
      expect(others).toEqual([]);
      expect(found).toMatchObject({
        id: "joined-damaged",
        severity: "problem",
        seen: expect.stringContaining("is damaged"),
      });
      await carryOutHere(found?.commands ?? []);
      expect(existsSync(kept())).toBe(false);
    }
    expect((await findings()).some(({ id }) => id === "joined-damaged")).toBe(false);

    writeFileSync(kept(), "{", { mode: 0o600 });
    const agent = await desktop.start("web");
    expect(await agent.failure("list_peers")).toContain("is damaged");
    expect((await tryCommand(desktop.path, "peers")).stderr).toContain("is damaged");
    expect(existsSync(join(desktop.path, "broker.sock"))).toBe(false);
    await agent[Symbol.asyncDispose]();
    writeFileSync(kept(), whole, { mode: 0o600 });
    await expectWhole();
  });

  test("was written by a newer version: it stays as it is", async () => {
    editJoined((text) => text.replace('"version": 1', '"version": 2'));
    const [found] = await findings();
    expect(found).toMatchObject({
      id: "joined-damaged",
      seen: expect.stringContaining("newer version"),
      fix: expect.stringContaining("Update"),
    });
    expect(found?.commands).toBeUndefined();
    editJoined((text) => text.replace('"version": 2', '"version": 1, "more": {}'));
    await expectWhole();
  });

  test.skipIf(process.getuid?.() === 0)("is closed to its owner: doctor says so", async () => {
    chmodSync(kept(), 0);
    expect((await findings())[0]).toMatchObject({
      id: "joined-damaged",
      seen: expect.stringContaining("EACCES"),
    });
  });

  test("would be open to others, were the home: doctor says so, and the advice helps", async () => {
    chmodSync(kept(), 0o644);
    const open = (await findings()).find(({ id }) => id === "home-files");
    expect(open).toMatchObject({ severity: "warning", subject: kept() });
    await carryOutHere(open?.commands ?? []);
    expect((await findings()).some(({ id }) => id === "home-files")).toBe(false);
    await expectWhole();
  });
});

describe("doctor on the machine that shares", () => {
  test("says who is answered, until when, and whether the address leads here", async () => {
    const found = (await here()).filter(({ id }) => id.startsWith("sharing"));
    expect(found.map(({ id, severity }) => [id, severity])).toEqual([
      ["sharing", "ok"],
      ["sharing-certificate", "ok"],
      ["sharing-address", "ok"],
      ["sharing-reach", "note"],
    ]);
    expect(seenOf(found, "sharing")).toContain("1 machine let in");
    expect(seenOf(found, "sharing-certificate")).toMatch(/89 d from now/);
    expect(seenOf(found, "sharing-reach")).toContain("loopback alone");
    await laptop.command("share", "--off");
    expect((await here()).some(({ id }) => id.startsWith("sharing"))).toBe(false);
  });

  test("names an address that does not lead here, and what it advises helps", async () => {
    await laptop.command(
      "share",
      "--listen",
      laptop.address,
      "--address",
      "no-such-machine.invalid:7899",
    );
    const found = await only("sharing-address");
    expect(found).toMatchObject({
      severity: "warning",
      seen: expect.stringContaining("is not known"),
    });
    const [, command = ""] = /`peerline (share --address HOST:PORT)`/.exec(found?.fix ?? "") ?? [];
    await laptop.command(...command.replace("HOST:PORT", laptop.address).split(" "));
    expect(await only("sharing-address")).toMatchObject({ severity: "ok" });
  });

  test("names a listener that does not follow its settings, and a firewall that cannot be seen", async () => {
    const path = join(laptop.path, "broker.toml");
    const port = await freePort();
    writeFileSync(
      path,
      readFileSync(path, "utf8").replace(
        `listen = "${laptop.address}"`,
        `listen = "0.0.0.0:${port}"`,
      ),
    );
    const found = await only("sharing-unread");
    expect(found).toMatchObject({
      severity: "problem",
      seen: expect.stringContaining(`on 0.0.0.0:${port}, and does on ${laptop.address}`),
    });
    await carryOutHere(found?.commands ?? [], laptop);
    expect(await only("sharing-unread")).toBeUndefined();
    expect(await only("sharing-reach")).toMatchObject({
      severity: "note",
      fix: expect.stringContaining(`sudo ufw allow ${port}/tcp`),
    });
    writeFileSync(path, "");
    const off = await only("sharing-unread");
    await carryOutHere(off?.commands ?? [], laptop);
    expect((await here()).some(({ id }) => id.startsWith("sharing"))).toBe(false);
  });
});

async function findings(
  env: Record<string, string | undefined> = {},
  home: TestHome = desktop,
): Promise<readonly Finding[]> {
  const own = { PATH: process.env["PATH"], HOME: home.path, PEERLINE_HOME: home.path };
  const { stdout, stderr } = await run(process.execPath, [program, "doctor", "--json"], {
    ...own,
    ...env,
  });
  expect(stderr).toBe("");
  return (JSON.parse(stdout) as { findings: readonly Finding[] }).findings;
}

/** The first link that does not hold, which is this one: those before it do, and none is told after it. */
async function broken(id: FindingId, env: Record<string, string> = {}): Promise<Finding> {
  const chain = (await findings(env)).filter(
    (one) => one.id === "chain-name" || links.includes(one.id),
  );
  const last = chain.at(-1);
  if (last?.id !== id || last.severity !== "problem")
    throw new Error(JSON.stringify(chain, null, 1));
  expect(chain.slice(0, -1).filter(({ severity }) => severity !== "ok")).toEqual([]);
  return last;
}

/** The file that a join keeps. */
function kept(): string {
  return join(desktop.path, "joined.json");
}

async function here(): Promise<readonly Finding[]> {
  return findings({}, laptop);
}

async function only(id: FindingId): Promise<Finding | undefined> {
  return (await here()).find((one) => one.id === id);
}

async function expectWhole(env: Record<string, string | undefined> = {}): Promise<void> {
  const found = await findings(env);
  const chain = found.filter(({ id }) => links.includes(id));
  expect(chain.map(({ id, severity }) => [id, severity])).toEqual(links.map((id) => [id, "ok"]));
}

function seenOf(found: readonly Finding[], id: FindingId): string | undefined {
  return found.find((one) => one.id === id)?.seen;
}

function portOf({ address }: SharedHome): string {
  return address.split(":")[1] ?? "";
}

function editJoined(change: (text: string) => string): void {
  const path = join(desktop.path, "joined.json");
  writeFileSync(path, change(readFileSync(path, "utf8")), { mode: 0o600 });
}

async function carryOutHere(commands: readonly string[], home: TestHome = desktop): Promise<void> {
  expect(commands).not.toEqual([]);
  const env = { PATH: process.env["PATH"], HOME: home.path, PEERLINE_HOME: home.path };
  for (const line of commands) {
    expect(await run("/bin/sh", ["-c", line], env)).toMatchObject({ code: 0 });
  }
}

/** Runs the first `peerline` command of an advice for the broker's machine there. */
async function carryOutThere(fix: string): Promise<void> {
  const [, command] = /[Rr]un `peerline ([^`]*)` (?:on that machine|there)/.exec(fix) ?? [];
  if (command === undefined) throw new Error(`no command: ${fix}`);
  await laptop.command(...command.split(" "));
}

/** Listens on a free port until the test ends: the setting by which the desktop goes there. */
async function listen(server: Server): Promise<Record<string, string>> {
  const port = await freePort();
  server.on("connection", (socket) => socket.on("error", () => {}));
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { PEERLINE_BROKER: `tls:127.0.0.1:${port}` };
}

/** The laptop's broker, with a clock that is ahead by so much. */
async function startShifted(ms: number): Promise<Running> {
  const shift = `const now = Date.now; Date.now = () => now() + ${ms};`;
  const preload = `data:text/javascript,${encodeURIComponent(shift)}`;
  const env = { PATH: process.env["PATH"], HOME: laptop.path, PEERLINE_HOME: laptop.path };
  const broker = new Running(process.execPath, ["--import", preload, program, "broker"], env);
  await eventually(() => laptop.brokerPid());
  return broker;
}
