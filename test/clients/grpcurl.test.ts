import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram } from "../../src/endpoint/find-program.js";
import { run, startBrokerHome, type BrokerHome } from "../support/program.js";
import { newSecret } from "../support/test-broker.js";

const grpcurl = findProgram("grpcurl", (process.env["PATH"] ?? "").split(":")) ?? "";
if (grpcurl === "") console.warn("skipped: there is no grpcurl on PATH");

describe.skipIf(grpcurl === "")("grpcurl, which knows the broker by its reflection", () => {
  let home: BrokerHome;

  beforeAll(async () => void (home = await startBrokerHome()));
  afterAll(() => home[Symbol.asyncDispose]());

  test("lists the services", async () => {
    const { stdout } = await call(home.socket, "list");
    expect(stdout.split("\n")).toContain("peerline.v1.BrokerService");
  });

  test("prints what it is answered, and an error with its details", async () => {
    const method = [home.socket, "peerline.v1.BrokerService/Register"];
    const registered = await call("-d", JSON.stringify({ secret: newSecret() }), ...method);
    expect(JSON.parse(registered.stdout)).toMatchObject({ created: true });
    const refused = await call("-d", '{"secret": "short"}', ...method);
    expect(refused.stderr).toContain("Code: InvalidArgument");
    const [, detail = ""] = /^\s*1\)\s*(\{.*\})$/ms.exec(refused.stderr) ?? [];
    expect(JSON.parse(detail)).toEqual({
      "@type": "type.googleapis.com/google.rpc.ErrorInfo",
      reason: "FIELD_INVALID",
      domain: "peerline.v1",
      metadata: { field: "secret" },
    });
  });
});

/** Versions before 1.9.0 send the socket's path as the authority, which HTTP/2 refuses. */
function call(...args: string[]) {
  const transport = ["-plaintext", "-unix", "-authority", "localhost"];
  return run(grpcurl, [...transport, ...args], process.env);
}
