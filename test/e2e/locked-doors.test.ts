import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from "vitest";
import {
  forgetJoinedBroker,
  keepJoinedBroker,
  readJoinedBroker,
  type JoinedBroker,
} from "../../src/endpoint/joined-broker.js";
import { createServer, serve, TlsCredentials } from "../../src/rpc/server.js";
import { TestHome } from "../mcp/test-home.js";
import { echo } from "../rpc/echo-server.js";
import { freePort } from "../rpc/free-port.js";
import { EchoService } from "../rpc/gen/echo_pb.js";
import { argumentsOfAll } from "../support/process-reading.js";
import { program, run } from "../support/program.js";
import { issueTestCertificate, newTestAuthority } from "../support/test-authority.js";
import { newSecret, reasonOf } from "../support/test-broker.js";
import { testCertificate, type TestCertificate } from "../support/test-certificate.js";
import { credentialOf, SharedHome, tryCommand } from "./shared-home.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const dayMs = 24 * 60 * 60 * 1000;

let laptop: SharedHome;
let desktop: TestHome;
/** All that the commands of a test printed. */
let printed: string;
/** What must be in none of that, in no log, and in no arguments. */
let secrets: Set<string>;

async function openHomes(): Promise<void> {
  laptop = await SharedHome.open();
  desktop = await TestHome.open();
  printed = "";
  secrets = new Set();
}

async function closeHomes(): Promise<void> {
  expectNoSecret();
  await desktop[Symbol.asyncDispose]();
  await laptop[Symbol.asyncDispose]();
}

function expectNoSecret(): void {
  noteSecrets();
  const shown = [printed, argumentsOfAll(), ...logsOf(laptop), ...logsOf(desktop)].join("\n");
  expect(secrets.size).toBeGreaterThan(2);
  for (const secret of secrets) expect(shown.includes(secret)).toBe(false);
}

describe("a joined machine is refused, or refuses, by its own clear error:", () => {
  let kept: JoinedBroker;
  beforeAll(async () => {
    await openHomes();
    await joinDesktop();
    kept = readJoinedBroker(desktop.path) ?? fail();
  });
  afterEach(async () => {
    expectNoSecret();
    await replaceJoined(kept);
  });
  afterAll(closeHomes);

  test.each<[string, () => Promise<TestCertificate>, string]>([
    [
      "a certificate of another authority",
      async () => ({ ...(await testCertificate()), ca: (await testCertificate()).ca }),
      "its certificate is not of the broker that was joined",
    ],
    [
      "a certificate that has expired",
      () => testCertificate(["127.0.0.1"], Date.now() - 100 * dayMs),
      "its certificate has expired, or a clock is wrong",
    ],
    [
      "a certificate that is to come",
      () => testCertificate(["127.0.0.1"], Date.now() + 5 * dayMs),
      "its certificate is not valid yet: a clock is wrong",
    ],
    [
      "a certificate for another host",
      () => testCertificate(["192.0.2.1"]),
      "its certificate is for other addresses",
    ],
  ])("%s", async (_, make, words) => {
    const certificate = await make();
    const seen: string[] = [];
    const server = createServer({
      services: [serve(EchoService, echo)],
      onDefect: () => {},
      admit: ({ method }) => {
        seen.push(method);
        return undefined;
      },
    });
    const port = await freePort();
    const credentials = new TlsCredentials(certificate);
    const open = { strangers: 8, begins: () => true, proved: () => {} };
    await server.listen(`127.0.0.1:${port}`, { credentials, ...open });
    onTestFinished(() => server.stop(0));
    await moveBroker(port, certificate.ca);
    const refused = await attempt("send", "api", "hello");
    expect(refused).toContain(`The broker at tls:127.0.0.1:${port} does not answer: ${words}.`);
    // It never said who it is, nor what it wanted.
    expect(seen).toEqual([]);
  });

  test("the broker's socket in place of its TLS port", async () => {
    const sockets = new Set<Socket>();
    const relay = createTcpServer((from) => {
      const to = connect(join(laptop.path, "broker.sock"));
      for (const socket of [from, to]) {
        sockets.add(socket);
        socket.on("error", () => {});
      }
      from.pipe(to).pipe(from);
    });
    const port = await freePort();
    await new Promise<void>((resolve) => relay.listen(port, "127.0.0.1", resolve));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      relay.close();
    });
    await moveBroker(port);
    expect(await attempt("send", "api", "hello")).toContain(
      "what listens there does not speak TLS 1.3",
    );
    const socket = connectTls({
      socket: connect(join(laptop.path, "broker.sock")),
      rejectUnauthorized: false,
    });
    const error = await new Promise<Error>((resolve) => socket.once("error", resolve));
    expect(error.message).toMatch(/wrong version number|packet length too long|ECONNRESET/);
    expect(await laptop.brokerPid()).toBeGreaterThan(0);
  });

  test("plaintext to the TLS port, of whatever protocol", async () => {
    const hosts = ["GET / HTTP/1.1\r\nhost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    for (const text of hosts) expect(await answerTo(text)).not.toMatch(/200|peerline/i);
    // What listens on a port of plain TCP may be named nowhere.
    const env = { PEERLINE_BROKER: `tcp:${laptop.address}` };
    expect(await attemptWith(env, "send", "api", "hello")).toContain(
      "would be without encryption, which Peerline never is",
    );
  });

  test("a credential of another broker, a damaged one, and none", async () => {
    await replaceJoined({ ...kept, credential: noted(newSecret()) });
    expect(await attempt("send", "api", "hello")).toContain(unknownMachine);
    writeFileSync(join(desktop.path, "joined.json"), JSON.stringify({ address: "x:1" }));
    expect(await attempt("send", "api", "hello")).toContain("joined.json is damaged");
    using nobody = laptop.remote();
    const send = nobody.client.sendMessage({ to: ["api"], text: "hello" });
    await expect(send).rejects.toThrow("this call needs metadata `peerline-machine: CREDENTIAL`");
  });

  test("a credential that was revoked, at the command line and at an agent", async () => {
    const agent = await desktop.start("web");
    await agent.facts("list_peers");
    await laptop.command("machines", "revoke", kept.machine);
    const refused = await agent.failure("send_message", { to: "api", message: "hello" });
    expect(refused).toContain(unknownMachine);
    printed += agent.log;
    const told = await attempt("send", "api", "hello");
    expect(told).toContain(unknownMachine);
    expect(told).toContain("run `peerline leave`, and join again with a new line");
  });
});

const unknownMachine = "does not let this machine in (it was revoked there, or is unknown)";

describe("with homes of its own", () => {
  beforeEach(openHomes);
  afterEach(closeHomes);

  test("a machine of scope `observe` sends nothing, and is told why", async () => {
    await joinDesktop("--scope", "observe");
    expect(await attempt("send", "api", "hello")).toContain(
      "This machine's scope does not allow `peerline send`: run it",
    );
    const agent = await desktop.start("web");
    expect(await agent.failure("send_message", { to: "api", message: "hello" })).toContain(
      "this machine's scope is `observe`",
    );
    printed += agent.log;
  });

  test("a session of another machine sends nothing, and is told why", async () => {
    const line = await shareLine("--uses", "2");
    await attempt("join", line);
    const tablet = await TestHome.open();
    onTestFinished(() => tablet[Symbol.asyncDispose]());
    await tryCommand(tablet.path, "join", line);
    using one = laptop.remote({ credential: credentialOf(desktop) });
    const { sessionToken } = await one.client.register({ secret: newSecret(), name: "one" });
    using thief = laptop.remote({
      credential: noted(credentialOf(tablet)),
      token: noted(sessionToken),
    });
    const send = thief.client.sendMessage({ to: ["one"], text: "hello" });
    await expect(send).rejects.toThrow(
      "the session was opened by another machine: Register from this one",
    );
    expect(await reasonOf(thief.client.sendMessage({ to: ["one"], text: "x" }))).toBe(
      "SESSION_FOREIGN",
    );
  });

  test("a certificate of one's own is kept, checked, shown and pinned, and machines prove themselves by theirs as well", async () => {
    const root = await newTestAuthority("root");
    const server = await issueTestCertificate(root, { usage: "server" });
    const [mine, other] = [
      await issueTestCertificate(root, { usage: "client" }),
      await issueTestCertificate(await newTestAuthority("other"), { usage: "client" }),
    ];
    const file = (name: string, text: string): string => {
      const path = join(desktop.path, name);
      writeFileSync(path, text, { mode: 0o600 });
      for (const [, key = ""] of text.matchAll(/PRIVATE KEY-----\n([^-]{40})/g)) noted(key);
      return path;
    };
    const [ca, cert] = [
      file("ca.pem", root.pem),
      file("server.pem", server.certificate + root.pem),
    ];
    const key = file("server.key", server.key);
    const clientOptions = (name: string, client: { key: string; certificate: string }) => [
      "--tls-cert",
      file(`${name}.pem`, client.certificate),
      "--tls-key",
      file(`${name}.key`, client.key),
    ];

    // What cannot be used is said, and nothing is shared.
    const settings = join(laptop.path, "broker.toml");
    const missing = join(desktop.path, "missing.pem");
    const failed = await tryCommand(
      laptop.path,
      "share",
      "--listen",
      `127.0.0.1:${await freePort()}`,
      "--tls-cert",
      missing,
      "--tls-key",
      key,
    );
    printed += failed.stderr;
    expect(failed).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${missing} is not there`),
    });
    expect(existsSync(settings)).toBe(false);
    const half = await tryCommand(laptop.path, "share", "--tls-cert", cert);
    expect(half).toMatchObject({ code: 2, stderr: expect.stringContaining("needs --tls-key") });

    const given = ["--tls-cert", cert, "--tls-key", key, "--client-ca", ca];
    const line = await shareLine(...given);
    expect(readFileSync(settings, "utf8")).toContain(
      `tls_cert = "${cert}"\ntls_key = "${key}"\nclient_ca = "${ca}"\n`,
    );
    for (const [command, ...words] of [
      ["config", `tls_cert = "${cert}"`, `client_ca = "${ca}"`],
      ["share", `from ${cert}`, `certificates by ${ca}`],
      ["doctor", "the broker's certificate, good for"],
    ] as const) {
      const args = command === "share" ? ["share", "--status"] : [command];
      const { stdout } = await tryCommand(laptop.path, ...args);
      for (const one of words) expect(stdout.replaceAll(/\s+/g, " ")).toContain(one);
    }

    const asked = await attempt("join", line);
    expect(asked).toContain("it asks for a certificate of this machine: join with --tls-cert");
    expect(await attempt("join", line, ...clientOptions("other", other))).toContain(
      "it does not accept the certificate of this machine",
    );
    expect(await attempt("join", line, ...clientOptions("mine", mine))).toBe("");
    expect(await attempt("peers")).toBe("");
    const agent = await desktop.start("web");
    await agent.facts("list_peers");
    // A certificate that is gone is told by its path.
    writeFileSync(join(desktop.path, "mine.key"), "gone");
    expect(await attempt("peers")).toContain("mine.key holds no private key in PEM form");

    // To share again keeps the certificate, and to share no more removes it.
    await shareLine();
    expect(readFileSync(settings, "utf8")).toContain(`tls_cert = "${cert}"`);
    await laptop.command("share", "--off");
    expect(existsSync(settings)).toBe(false);
  });
});

async function joinDesktop(...options: string[]): Promise<void> {
  expect(await attempt("join", await shareLine(...options))).toBe("");
}

async function shareLine(...options: string[]): Promise<string> {
  const line = await laptop.share(...options);
  noted(/\/([\w-]{43})#/.exec(line)?.[1] ?? "");
  return line;
}

/** What the desktop's command says on standard error. */
async function attempt(...args: string[]): Promise<string> {
  return attemptWith({}, ...args);
}

async function attemptWith(env: Record<string, string>, ...args: string[]): Promise<string> {
  const { path } = desktop;
  const own = { PATH: process.env["PATH"], HOME: path, PEERLINE_HOME: path };
  const command = [program, ...args];
  const { stdout, stderr } = await run(process.execPath, command, { ...own, ...env });
  noteSecrets();
  printed += stdout + stderr;
  return stderr;
}

function fail(): never {
  throw new Error("not joined");
}

function noted(secret: string): string {
  secrets.add(secret);
  return secret;
}

/** Credentials, tokens and private keys that the homes keep by now. */
function noteSecrets(): void {
  if (existsSync(join(desktop.path, "joined.json"))) {
    const credential = /"credential": "([\w-]{43})"/.exec(
      readFileSync(join(desktop.path, "joined.json"), "utf8"),
    );
    if (credential?.[1] !== undefined) secrets.add(credential[1]);
  }
  if (existsSync(join(laptop.path, "operator.token"))) {
    secrets.add(readFileSync(join(laptop.path, "operator.token"), "utf8").trim());
  }
  const tls = join(laptop.path, "tls");
  for (const name of existsSync(tls) ? readdirSync(tls) : []) {
    const text = readFileSync(join(tls, name), "utf8");
    const key = /PRIVATE KEY-----\n([^-]{40})/.exec(text)?.[1];
    if (key !== undefined) secrets.add(key);
  }
}

function logsOf(home: TestHome): string[] {
  return readdirSync(home.path)
    .filter((name) => name.includes(".log"))
    .map((name) => readFileSync(join(home.path, name), "utf8"));
}

async function replaceJoined(broker: JoinedBroker): Promise<void> {
  // What is kept is never replaced: a join is undone first.
  forgetJoinedBroker(desktop.path);
  expect(await keepJoinedBroker(desktop.path, broker)).toBe(true);
}

/** From now on the desktop takes what listens there for its broker. */
async function moveBroker(port: number, ca?: string): Promise<void> {
  const joined = readJoinedBroker(desktop.path) ?? fail();
  const endpoint = { kind: "tls", host: "127.0.0.1", port } as const;
  await replaceJoined({ ...joined, endpoint, ca: ca ?? joined.ca });
}

/** What the TLS port answers to some bytes, until it closes. */
async function answerTo(text: string): Promise<string> {
  const [host = "", port] = laptop.address.split(":");
  const socket = connect({ host, port: Number(port) });
  let answer = "";
  socket.on("data", (data) => (answer += data.toString("latin1")));
  socket.on("error", () => {});
  socket.write(text);
  await new Promise((resolve) => socket.once("close", resolve));
  return answer;
}
