import { gzipSync } from "node:zlib";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toBinary, create } from "@bufbuild/protobuf";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { GetPeerRequestSchema } from "../../gen/peerline/v1/broker_service_pb.js";
import { Code } from "../../src/rpc/error.js";
import { fromStatus } from "../../src/rpc/status.js";
import { asIs, openRawClient } from "../rpc/raw-client.js";
import { startTestBroker, type TestBroker } from "../support/test-broker.js";

const limit = 4 * 1024 * 1024;
let broker: TestBroker;
beforeAll(async () => void (broker = await startTestBroker()));
afterAll(() => broker[Symbol.asyncDispose]());

/** Calls without the bridge, which would refuse such a request itself. */
async function call(method: string, request: Buffer, metadata = new Metadata()): Promise<unknown> {
  const client = openRawClient(broker.address, { "grpc.max_send_message_length": -1 });
  const error = await new Promise<ServiceError | null>((resolve) => {
    client.makeUnaryRequest(method, asIs, asIs, request, metadata, resolve);
  });
  if (error === null) return "no error";
  const told = fromStatus(error, error);
  return { code: told.code, message: told.message, ...told.findDetail(ErrorInfoSchema) };
}

describe("a call that no handler refuses has its reason all the same", () => {
  const getPeer = "/peerline.v1.BrokerService/GetPeer";

  test("when its request is too large, it does not look as if it could be repeated", async () => {
    for (const method of [getPeer, "/peerline.v1.BrokerService/Subscribe"]) {
      expect(await call(method, Buffer.alloc(limit + 1))).toMatchObject({
        code: Code.InvalidArgument,
        reason: "FIELD_TOO_LARGE",
        domain: "peerline.v1",
        metadata: { limit: "request_bytes", maximum: String(limit) },
        message: expect.stringContaining("has more than 4194304 bytes"),
      });
    }
    const limits = (await broker.client().getServerInfo({})).limits;
    expect(limits.find(({ name }) => name === "request_bytes")?.maximum).toBe(BigInt(limit));
  });

  test("when its request is no message", async () => {
    expect(await call(getPeer, Buffer.from([0xff, 0xff, 0xff]))).toMatchObject({
      code: Code.InvalidArgument,
      reason: "FIELD_INVALID",
      message: expect.stringContaining("no peerline.v1.GetPeerRequest"),
    });
  });

  test("when its request is not compressed as it says", async () => {
    const bytes = toBinary(GetPeerRequestSchema, create(GetPeerRequestSchema, { peer: "x" }));
    const metadata = new Metadata();
    metadata.set("grpc-encoding", "br");
    const told = await call(getPeer, gzipSync(bytes), metadata);
    expect(told).toMatchObject({ code: Code.InvalidArgument, reason: "FIELD_INVALID" });
  });

  test("when the broker has no such method or service", async () => {
    for (const method of ["/peerline.v1.BrokerService/AskOracle", "/peerline.v9.Broker/GetPeer"]) {
      expect(await call(method, Buffer.alloc(0))).toMatchObject({
        code: Code.Unimplemented,
        reason: "METHOD_UNKNOWN",
        domain: "peerline.v1",
        message: expect.stringContaining(method),
      });
    }
  });
});
