import { Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  create,
  createFileRegistry,
  fromBinary,
  toBinary,
  toJson,
  type Registry,
} from "@bufbuild/protobuf";
import {
  anyUnpack,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StatusSchema } from "../../gen/google/rpc/status_pb.js";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as EarlierReflection } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import {
  BrokerService,
  RegisterRequestSchema,
  SendMessageRequestSchema,
} from "../../gen/peerline/v1/broker_service_pb.js";
import { methodPath } from "../../src/rpc/codec.js";
import { createClient, openChannel, type Channel } from "../../src/rpc/client.js";
import { asIs, openRawClient } from "../rpc/raw-client.js";
import { startBrokerHome, type BrokerHome } from "../support/program.js";
import { newSecret } from "../support/test-broker.js";

// What a tool prints of an error that knows the broker by its reflection alone. It does as grpcurl does. It takes
// `grpc-status-details-bin` apart, and asks with `file_containing_symbol` for the type of each detail. It prints the
// detail as JSON by the descriptors that it is given. No generated type of a detail is used.

let home: BrokerHome;
let channel: Channel;

beforeAll(async () => {
  home = await startBrokerHome();
  channel = openChannel(`unix:${home.socket}`);
});
afterAll(async () => {
  channel.close();
  await home[Symbol.asyncDispose]();
});

const reflections = [ServerReflection, EarlierReflection] as const;

test.each(reflections)("$typeName gives the types to print an ErrorInfo with", async (version) => {
  const request = create(RegisterRequestSchema, { secret: "short" });
  const bytes = Buffer.from(toBinary(RegisterRequestSchema, request));
  const path = methodPath(BrokerService.method.register);
  expect(await printedDetails(await failureOf(path, bytes), version)).toEqual([
    {
      "@type": "type.googleapis.com/google.rpc.ErrorInfo",
      reason: "FIELD_INVALID",
      domain: "peerline.v1",
      metadata: { field: "secret" },
    },
  ]);
});

test.each(reflections)("$typeName gives the types to print a RetryInfo with", async (version) => {
  const client = createClient(BrokerService, channel);
  const { sessionToken } = await client.register({ secret: newSecret(), name: "echo" });
  const request = create(SendMessageRequestSchema, { to: ["echo"], text: "the same words" });
  const headers = { authorization: `Bearer ${sessionToken}` };
  await createClient(BrokerService, channel, { headers: () => headers }).sendMessage(request);
  const bytes = Buffer.from(toBinary(SendMessageRequestSchema, request));
  const path = methodPath(BrokerService.method.sendMessage);
  expect(await printedDetails(await failureOf(path, bytes, sessionToken), version)).toEqual([
    expect.objectContaining({ reason: "REPEATED_TEXT" }),
    {
      "@type": "type.googleapis.com/google.rpc.RetryInfo",
      retryDelay: expect.stringMatching(/^\d+(\.\d+)?s$/),
    },
  ]);
});

test("nothing else stands in details", async () => {
  // Whoever adds a type of detail adds it to reflection, and to this test.
  const { BrokerError } = await import("../../src/broker/broker-error.js");
  const details = new BrokerError(1, "every option", { retryAfterMs: 1, metadata: {} }).details;
  expect(details.map(({ typeUrl }) => typeUrl)).toEqual(
    ["ErrorInfo", "RetryInfo"].map((type) => `type.googleapis.com/google.rpc.${type}`),
  );
});

/** The error of a unary call that fails, as grpc-js gives it. */
function failureOf(path: string, request: Buffer, token?: string): Promise<ServiceError> {
  const client = openRawClient(`unix:${home.socket}`);
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asIs, asIs, request, metadata, (error) =>
      error === null ? reject(new Error("the call succeeded")) : resolve(error),
    );
  });
}

/** The details of an error as JSON, by the descriptors that reflection gives. */
async function printedDetails(
  error: ServiceError,
  version: (typeof reflections)[number],
): Promise<unknown[]> {
  const [encoded] = error.metadata.get("grpc-status-details-bin");
  const { details } = fromBinary(StatusSchema, Buffer.from(encoded ?? ""));
  const printed: unknown[] = [];
  for (const any of details) {
    const registry = await registryFor(any.typeUrl.split("/").at(-1) ?? "", version);
    const message = anyUnpack(any, registry);
    const schema = message && registry.getMessage(message.$typeName);
    if (message === undefined || schema === undefined) throw new Error(`${any.typeUrl} is unknown`);
    printed.push({ "@type": any.typeUrl, ...(toJson(schema, message, { registry }) as object) });
  }
  return printed;
}

/** The types of the file that declares a symbol, with those that it imports. */
async function registryFor(
  symbol: string,
  version: (typeof reflections)[number],
): Promise<Registry> {
  const files: FileDescriptorProto[] = [];
  const asked = { case: "fileContainingSymbol", value: symbol } as const;
  const answers = createClient(version, channel).serverReflectionInfo(
    (async function* () {
      yield { host: "", messageRequest: asked };
    })(),
  );
  for await (const { messageResponse } of answers) {
    if (messageResponse.case !== "fileDescriptorResponse") throw new Error(`no file has ${symbol}`);
    for (const bytes of messageResponse.value.fileDescriptorProto) {
      files.push(fromBinary(FileDescriptorProtoSchema, bytes));
    }
  }
  // A registry wants each file after those that it imports; reflection sends them the other way around.
  return createFileRegistry(create(FileDescriptorSetSchema, { file: files.toReversed() }));
}
