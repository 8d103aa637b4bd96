import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { PeerKind, Reach } from "../../gen/peerline/v1/peer_pb.js";
import { readConfig } from "../../src/endpoint/config.js";
import { openLine } from "../../src/endpoint/open-line.js";
import { commandOf, SharedHome } from "../e2e/shared-home.js";
import { TestHome } from "../mcp/test-home.js";
import { program, run, Running, startBrokerHome, type BrokerHome } from "../support/program.js";
import { eventually, newSecret } from "../support/test-broker.js";

const python = "/usr/bin/python3";
const plugin = "/usr/bin/grpc_python_plugin";
const missing = whatIsMissing();
if (missing !== undefined) console.warn(`skipped: the Python client needs ${missing}`);

describe.skipIf(missing !== undefined)("a Python client made by protoc from the contract", () => {
  const proto = join(import.meta.dirname, "../../proto");
  const modules = mkdtempSync(join(tmpdir(), "pl-py-"));
  let home: BrokerHome;

  beforeAll(async () => {
    const sources = [
      ...["broker_service", "error_reason", "machine", "message", "peer"].map(
        (name) => `peerline/v1/${name}`,
      ),
      "google/rpc/status",
      "google/rpc/error_details",
    ].map((name) => `${name}.proto`);
    const flags = [
      `--plugin=protoc-gen-grpc=${plugin}`,
      `--python_out=${modules}`,
      `--grpc_out=${modules}`,
    ];
    execFileSync("/usr/bin/protoc", ["-I", proto, ...flags, ...sources]);
    home = await startBrokerHome();
  });
  afterAll(async () => {
    await home[Symbol.asyncDispose]();
    rmSync(modules, { recursive: true });
  });

  const script = join(import.meta.dirname, "peer.py");
  const environment = {
    PATH: process.env["PATH"],
    PYTHONPATH: modules,
    PYTHONDONTWRITEBYTECODE: "1",
  };
  const peerAt = async (endpoint: string, credential: string, ...args: string[]) => {
    const result = await run(python, [script, endpoint, credential, ...args], environment);
    return { code: result.code, output: result.stdout.trim() };
  };
  const peer = async (credential: string, ...args: string[]) =>
    peerAt(`unix:${home.socket}`, credential, ...args);

  test("registers, sends, subscribes in one process and acknowledges from another", async () => {
    // A second try meets the peers of the first, which have the names that are asked for.
    const register = async (name: string) =>
      (await peer(newSecret(), "register", name)).output.split(" ");
    const [name, alice = ""] = await register("alice");
    const [bobName = "", bob = ""] = await register("bob");
    expect(name).toMatch(/^alice(-\d+)?$/);

    await using subscription = new Running(
      python,
      [script, `unix:${home.socket}`, bob, "subscribe"],
      environment,
    );
    expect(await subscription.line()).toBe("started");
    const sent = await peer(alice, "send", bobName, "héllo");
    expect(sent.output).toMatch(/^[0-9a-f-]{36} RECEIPT_STATE_(QUEUED|LEASED)$/);
    const [, deliveryId = "", text] = (await subscription.line()).split(" ");
    expect(text).toBe("héllo");
    expect((await peer(bob, "ack", deliveryId)).output).toBe("RECEIPT_STATE_CONFIRMED");
    expect((await peer(bob, "ack", deliveryId)).output).toBe("RECEIPT_STATE_CONFIRMED");
  });

  test("reads its secret from a file, and says how it is called", async () => {
    const file = join(modules, "secret");
    writeFileSync(file, `${newSecret()}\n`, { mode: 0o600 });
    expect((await peer(`@${file}`, "register", "filed")).output).toMatch(/^filed(-\d+)? [\w-]+$/);
    for (const args of [[], ["unix:x", "y", "dance"]]) {
      const env = args.length === 0 ? { PATH: environment.PATH } : environment;
      const { code, stderr } = await run(python, [script, ...args], env);
      expect(code).toBe(1);
      expect(stderr).toContain("Usage: peer.py ENDPOINT CREDENTIAL COMMAND");
      expect(stderr).not.toContain("Traceback");
    }
  });

  test("does the same over TLS, from a home that has joined", async () => {
    await using laptop = await SharedHome.open();
    await using desktop = await TestHome.open();
    await commandOf(desktop.path, "join", await laptop.share(), "--name", "desktop");
    const joined = join(desktop.path, "joined.json");
    const { output } = await peerAt(joined, newSecret(), "register", "alice");
    const [name = "", token = ""] = output.split(" ");
    expect(name).toBe("alice");
    const sent = await peerAt(joined, token, "send", name, "to myself");
    expect(sent.output).toMatch(/^[0-9a-f-]{36} RECEIPT_STATE_QUEUED$/);
    await laptop.command("machines", "revoke", "desktop");
    const refused = await peerAt(joined, token, "send", name, "and again");
    expect(refused.output).toMatch(/^MACHINE_UNKNOWN: /);
  });

  test("lives through kills of the broker and of itself, and takes leave", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pl-"));
    const [secret, ownSecret] = [newSecret(), newSecret()];
    const api = openLine({
      config: readConfig({ PATH: process.env["PATH"], PEERLINE_HOME: folder }),
      program,
      openSecret: async () => ownSecret,
      introduction: { name: "api", kind: PeerKind.PROGRAM },
      receives: true,
    });
    const brokerPid = async () =>
      (await api.call((client, options) => client.getServerInfo({}, options))).pid;
    const start = () =>
      new Running(
        python,
        [script, `unix:${folder}/broker.sock`, secret, "live", "py"],
        environment,
      );
    const sent = new Map<string, string>();
    const send = async (text: string) =>
      void sent.set((await api.send("py", text)).messageId, text);
    const answered = async () => {
      for (const messageId of sent.keys()) {
        await eventually(async () => {
          const { record } = await api.call((client, options) =>
            client.getMessage({ messageId }, options),
          );
          expect(record?.receipts).toMatchObject([{ state: ReceiptState.ANSWERED }]);
        });
      }
    };
    try {
      await api.ready();
      const shown: string[] = [];
      await using first = start();
      await eventually(() => send("one"));
      await answered();
      process.kill(await brokerPid(), "SIGKILL");
      for (const text of ["two", "three", "four"]) await send(text);
      await answered();
      for (const text of ["five", "six"]) await send(text);
      first.child.kill("SIGKILL");
      for await (const line of first.rest()) shown.push(line);
      await using second = start();
      // The first may have answered all, and is still shown as online: this one has come when it says so.
      while ((await lineOf(second, shown)) !== "live");
      await answered();
      await eventually(async () => {
        const { peers } = await api.call((client, options) => client.listPeers({}, options));
        expect(peers.find(({ name }) => name === "py")).toMatchObject({ reach: Reach.WAKES });
      });
      second.child.kill("SIGTERM");
      for await (const line of second.rest()) shown.push(line);
      await eventually(() => expect(second.child.exitCode).toBe(0));
      for (const text of sent.values()) {
        expect(shown.filter((line) => line === `new: ${text}`).length).toBeLessThanOrEqual(1);
        expect(shown.some((line) => line.endsWith(`: ${text}`))).toBe(true);
      }
      const { results } = await api.send("py", "and now?");
      expect(results).toMatchObject([{ reach: Reach.STORED }]);
    } finally {
      const pid = await brokerPid();
      await api.close();
      process.kill(pid, "SIGTERM");
      // It writes to its home until then.
      await eventually(() => expect(() => process.kill(pid, 0)).toThrow("ESRCH"));
      rmSync(folder, { recursive: true, force: true });
    }
  }, 600_000);

  test("is told what is wrong", async () => {
    const refused = await peer("wrong", "send", "nobody", "hello");
    expect(refused).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^TOKEN_INVALID: .*Register again/),
    });
    const [, token = ""] = (await peer(newSecret(), "register", "carol")).output.split(" ");
    expect(await peer(token, "ack", "invented")).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^DELIVERY_NOT_FOUND: delivery_id: no such delivery/),
    });
  });
});

/** The next line of a program, which is kept. */
async function lineOf(program: Running, kept: string[]): Promise<string> {
  const line = await program.line();
  kept.push(line);
  return line;
}

function whatIsMissing(): string | undefined {
  for (const file of [
    python,
    plugin,
    "/usr/bin/protoc",
    "/usr/include/google/protobuf/struct.proto",
  ])
    if (!existsSync(file)) return file;
  try {
    execFileSync(python, ["-c", "import grpc, google.protobuf"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "Debian's python3-grpcio and python3-protobuf";
  }
}
