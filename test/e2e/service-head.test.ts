import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as EarlierReflection } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient, openChannel, type Channel } from "../../src/rpc/client.js";
import { openRawSession } from "../rpc/raw-session.js";
import { program, run } from "../support/program.js";

// What the head of the service states of the broker's process and its socket. The rest of it is in
// test/broker/service-head.test.ts.

let user: string;
let environment: NodeJS.ProcessEnv;
let socket: string;
let channel: Channel;

beforeAll(async () => {
  user = await mkdtemp(join(tmpdir(), "pl-"));
  environment = { PATH: process.env["PATH"], HOME: user };
  socket = join(user, ".peerline/broker.sock");
  // No broker runs, and nobody said where: a command that needs one starts it.
  const sent = await peerline("send", "nobody", "hello");
  expect(sent).toMatchObject({ code: 1, stderr: expect.stringContaining('named "nobody"') });
  channel = openChannel(`unix:${socket}`);
});
afterAll(async () => {
  channel.close();
  await peerline("stop");
  await rm(user, { recursive: true, force: true });
});

function peerline(...args: string[]) {
  return run(process.execPath, [program, ...args], environment);
}

test("a broker is on broker.sock in ~/.peerline, or in PEERLINE_HOME, for its user alone", async () => {
  const { mode, uid } = await stat(socket);
  expect([mode & 0o777, uid]).toEqual([0o600, process.getuid?.()]);
  expect((await stat(join(user, ".peerline"))).mode & 0o777).toBe(0o700);
  const other = join(user, "other");
  const elsewhere = { ...environment, PEERLINE_HOME: other };
  await run(process.execPath, [program, "send", "nobody", "hello"], elsewhere);
  expect((await stat(join(other, "broker.sock"))).isSocket()).toBe(true);
  await run(process.execPath, [program, "stop"], elsewhere);
});

test("a broker speaks HTTP/2 without TLS", async () => {
  const session = openRawSession(`unix:${socket}`);
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  expect(session.encrypted).toBe(false);
  expect(session.alpnProtocol).toBe("h2c");
});

test("a home has one broker: a second one says so and ends", async () => {
  const client = createClient(BrokerService, channel);
  const { pid, startTime } = await client.getServerInfo({});
  const second = await peerline("broker");
  expect(second).toMatchObject({ code: 0, stderr: expect.stringContaining("already") });
  expect(await client.getServerInfo({})).toMatchObject({ pid, startTime });
});

test("a broker serves health and both versions of reflection, with the types of its errors", async () => {
  const health = createClient(Health, channel);
  for (const service of ["", BrokerService.typeName]) {
    const { status } = await health.check({ service });
    expect(status, service).toBe(HealthCheckResponse_ServingStatus.SERVING);
  }
  for (const Reflection of [ServerReflection, EarlierReflection]) {
    const reflection = createClient(Reflection, channel);
    for (const type of ["Status", "ErrorInfo", "RetryInfo"]) {
      const value = `google.rpc.${type}`;
      const asked = { case: "fileContainingSymbol", value } as const;
      const answers = reflection.serverReflectionInfo(
        (async function* () {
          yield { host: "", messageRequest: asked };
        })(),
      );
      for await (const { messageResponse } of answers) {
        expect(messageResponse.case, value).toBe("fileDescriptorResponse");
        if (messageResponse.case !== "fileDescriptorResponse") continue;
        const [file] = messageResponse.value.fileDescriptorProto;
        const { messageType } = fromBinary(FileDescriptorProtoSchema, file ?? new Uint8Array());
        expect(messageType.map(({ name }) => name)).toContain(type);
      }
    }
  }
});
