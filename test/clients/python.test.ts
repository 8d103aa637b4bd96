import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, Running, startBrokerHome, type BrokerHome } from "../support/program.js";
import { newSecret } from "../support/test-broker.js";

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
      ...["broker_service", "error_reason", "message", "peer"].map((name) => `peerline/v1/${name}`),
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
  const peer = async (credential: string, ...args: string[]) => {
    const result = await run(
      python,
      [script, `unix:${home.socket}`, credential, ...args],
      environment,
    );
    return { code: result.code, output: result.stdout.trim() };
  };

  test("registers, sends, subscribes in one process and acknowledges from another", async () => {
    const [name, alice = ""] = (await peer(newSecret(), "register", "alice")).output.split(" ");
    const [, bob = ""] = (await peer(newSecret(), "register", "bob")).output.split(" ");
    expect(name).toBe("alice");

    await using subscription = new Running(
      python,
      [script, `unix:${home.socket}`, bob, "subscribe"],
      environment,
    );
    expect(await subscription.line()).toBe("started");
    const sent = await peer(alice, "send", "bob", "héllo");
    expect(sent.output).toMatch(/^[0-9a-f-]{36} RECEIPT_STATE_(QUEUED|LEASED)$/);
    const [, deliveryId = "", text] = (await subscription.line()).split(" ");
    expect(text).toBe("héllo");
    expect((await peer(bob, "ack", deliveryId)).output).toBe("RECEIPT_STATE_CONFIRMED");
    expect((await peer(bob, "ack", deliveryId)).output).toBe("RECEIPT_STATE_CONFIRMED");
  });

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
