import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { readProjectFile } from "../support/project-files.js";
import { run, Running, startBrokerHome, type BrokerHome } from "../support/program.js";
import { newSecret } from "../support/test-broker.js";

const buf = join(import.meta.dirname, "../../node_modules/.bin/buf");
const service = "http://localhost/peerline.v1.BrokerService";
let home: BrokerHome;

beforeAll(async () => void (home = await startBrokerHome()));
afterAll(() => home[Symbol.asyncDispose]());

function args(...more: string[]): string[] {
  return [
    "curl",
    "--protocol",
    "grpc",
    "--http2-prior-knowledge",
    "--unix-socket",
    home.socket,
    ...more,
  ];
}

async function call(method: string, data: object, token?: string): Promise<Record<string, never>> {
  const header = token === undefined ? [] : ["-H", `authorization: Bearer ${token}`];
  const result = await run(
    buf,
    args(...header, "-d", JSON.stringify(data), `${service}/${method}`),
    process.env,
  );
  if (result.code !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout) as Record<string, never>;
}

/** A new peer, with the name that it got: a second try meets the peers of the first. */
async function register(wanted: string): Promise<{ name: string; token: string }> {
  const { peer, sessionToken } = (await call("Register", {
    secret: newSecret(),
    name: wanted,
  })) as {
    peer?: { name: string };
    sessionToken?: string;
  };
  return { name: peer?.name ?? "", token: sessionToken ?? "" };
}

test("lists and describes the services over reflection", async () => {
  const services = await run(buf, args("--list-services", "http://localhost"), process.env);
  expect(services.stdout.trim().split("\n")).toEqual(
    expect.arrayContaining(["grpc.health.v1.Health", "peerline.v1.BrokerService"]),
  );
  const methods = await run(buf, args("--list-methods", "http://localhost"), process.env);
  expect(methods.stdout).toContain("peerline.v1.BrokerService/Subscribe");
});

test("subscribes in one terminal and acknowledges from another", async () => {
  const [sender, reader] = [await register("sender"), await register("reader")];
  const header = ["-H", `authorization: Bearer ${reader.token}`];
  await using stream = new Running(
    buf,
    args(...header, "-d", "{}", `${service}/Subscribe`),
    process.env,
  );
  const event = async (): Promise<Record<string, Record<string, string>>> => {
    let text = "";
    do text += await stream.line();
    while (!text.endsWith("}") || !isJson(text));
    return JSON.parse(text) as Record<string, Record<string, string>>;
  };
  expect(await event()).toHaveProperty("started");
  await call("SendMessage", { to: [reader.name], text: "hello" }, sender.token);
  const deliveryId = (await event())["delivery"]?.["deliveryId"];
  const acked = await call(
    "AckMessages",
    { acks: [{ deliveryId, outcome: "OUTCOME_CONFIRMED" }] },
    reader.token,
  );
  expect(acked).toEqual({ results: [{ deliveryId, state: "RECEIPT_STATE_CONFIRMED" }] });
});

test("is told what is wrong", async () => {
  const { token } = await register("curious");
  await expect(call("SendMessage", { to: ["nobody"], text: "x" }, token)).rejects.toThrow(
    'no peer is named \\\"nobody\\\"',
  );
  await expect(call("ListPeers", {}, "wrong")).rejects.toThrow("unauthenticated");
  // Reflection has the types of the details: without them an Any cannot be printed.
  const told = await call("AckMessages", { acks: [{ deliveryId: "x" }] }, token);
  expect(told).toMatchObject({
    results: [
      {
        error: {
          code: 3,
          details: [
            {
              "@type": "type.googleapis.com/google.rpc.ErrorInfo",
              reason: "FIELD_REQUIRED",
              metadata: { field: "outcome" },
            },
          ],
        },
      },
    ],
  });
});

test("the commands of the contract's page work, and have no secret among their arguments", async () => {
  const root = join(import.meta.dirname, "../..");
  const [, block = ""] =
    /^## On the command line\n.*?^```sh\n(.*?)^```/ms.exec(readProjectFile("proto/README.md")) ??
    [];
  const lines = block.split("\n").filter((line) => !/Subscribe|AckMessages/.test(line));
  expect(lines.join("\n")).toContain("-H @$kept/headers");
  const folder = mkdtempSync(join(tmpdir(), "pl-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(home.path, join(folder, ".peerline"));
  // Each program that is started says its arguments; what the shell does itself is not among them.
  const trace = `npx() { printf '%s\\n' "$*" >> "${folder}/arguments"; shift; "${buf}" "$@"; }\n`;
  const env = { ...process.env, HOME: folder };
  const script = `set -eu\ncd "${root}"\n${trace}${lines.join("\n").replaceAll("~", folder)}`;
  const { code, stdout, stderr } = await run("/bin/bash", ["-c", script], env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("BrokerService/Subscribe");
  expect(stdout).toMatch(/"messageId": "[0-9a-f-]{36}"/);
  const kept = join(folder, ".peerline-curl");
  expect(statSync(kept).mode & 0o777).toBe(0o700);
  const { secret = "" } = JSON.parse(readFileSync(join(kept, "register.json"), "utf8")) as {
    secret?: string;
  };
  const [, token = ""] = /Bearer (\S+)/.exec(readFileSync(join(kept, "headers"), "utf8")) ?? [];
  expect([secret.length, token.length]).toEqual([64, expect.any(Number)]);
  expect(token.length).toBeGreaterThan(20);
  const given = readFileSync(join(folder, "arguments"), "utf8");
  expect(given).toContain("SendMessage");
  expect([given.includes(secret), given.includes(token)]).toEqual([false, false]);
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
