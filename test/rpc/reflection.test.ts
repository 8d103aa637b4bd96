import { create, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import {
  ServerReflection,
  type ServerReflectionResponse,
} from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { createClient } from "../../src/rpc/client.js";
import { Code, RpcError } from "../../src/rpc/error.js";
import { reflectionServices } from "../../src/rpc/reflection.js";
import type { ServiceImpl } from "../../src/rpc/server.js";
import { bufCurl } from "./buf-curl.js";
import { collect } from "./collect.js";
import { startEcho } from "./echo-server.js";
import { EchoService } from "./gen/echo_pb.js";

const service = "peerline.test.echo.v1.EchoService";

function startReflected(handlers: Partial<ServiceImpl<typeof EchoService>> = {}) {
  return startEcho(handlers, { others: reflectionServices([EchoService]) });
}

test("buf curl lists the services and their methods", async () => {
  const { address } = await startReflected();
  const services = await bufCurl(address, "http://localhost", "--list-services");
  expect(services.trim().split("\n")).toEqual([
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    service,
  ]);
  const methods = await bufCurl(address, "http://localhost", "--list-methods");
  expect(methods).toContain(`${service}/Repeat`);
});

test.each(["grpc-v1", "grpc-v1alpha"])("buf curl calls what it knows from %s", async (version) => {
  const { address } = await startReflected();
  const call = (method: string, data: object) =>
    bufCurl(
      address,
      "--reflect-protocol",
      version,
      "-d",
      JSON.stringify(data),
      `http://localhost/${service}/${method}`,
    );
  // The Struct shows that imports are found as well.
  const unary = await call("Echo", { text: "hello", data: { a: [1] } });
  expect(JSON.parse(unary)).toEqual({ text: "hello" });
  const streamed = await call("Repeat", { text: "a", count: 2 });
  expect(streamed.match(/"text": "a"/g)).toHaveLength(2);
});

test("buf curl shows an error with its details", async () => {
  const info = create(ErrorInfoSchema, { reason: "WHY" });
  const { address } = await startReflected({
    echo: async () => {
      throw new RpcError(Code.NotFound, "not here", {
        details: [{ schema: ErrorInfoSchema, message: info }],
      });
    },
  });
  const call = bufCurl(address, "-d", "{}", `http://localhost/${service}/Echo`);
  await expect(call).rejects.toMatchObject({ stderr: expect.stringContaining("not_found") });
  await expect(call).rejects.toMatchObject({ stderr: expect.stringContaining("ErrorInfo") });
});

test("finds the file of any symbol, with its imports", async () => {
  const ask = await startAsking();
  const echo = ["echo.proto", "google/protobuf/struct.proto"];
  expect(filenames(await ask("fileByFilename", "echo.proto"))).toEqual(echo);
  for (const symbol of [
    service,
    `${service}.Chat`,
    "peerline.test.echo.v1.EchoRequest",
    "peerline.test.echo.v1.EchoRequest.text",
  ]) {
    expect(filenames(await ask("fileContainingSymbol", symbol)), symbol).toEqual(echo);
  }
  // A value's full name leaves its enum out.
  for (const symbol of ["google.protobuf.NULL_VALUE", "google.protobuf.Value.kind"]) {
    const answer = await ask("fileContainingSymbol", symbol);
    expect(filenames(answer), symbol).toEqual(["google/protobuf/struct.proto"]);
  }
  const errors = await ask("fileContainingSymbol", "google.rpc.ErrorInfo");
  expect(filenames(errors)[0]).toBe("google/rpc/error_details.proto");
});

test("says NOT_FOUND for what it does not know, and goes on", async () => {
  const ask = await startAsking();
  for (const question of [
    "fileByFilename",
    "fileContainingSymbol",
    "allExtensionNumbersOfType",
  ] as const) {
    const { messageResponse, originalRequest } = await ask(question, "no.such.Thing");
    expect(messageResponse).toMatchObject({
      case: "errorResponse",
      value: { errorCode: Code.NotFound },
    });
    expect(originalRequest?.messageRequest).toEqual({ case: question, value: "no.such.Thing" });
  }
});

test("knows which messages have no extensions", async () => {
  const ask = await startAsking();
  const type = "peerline.test.echo.v1.EchoRequest";
  expect((await ask("allExtensionNumbersOfType", type)).messageResponse).toMatchObject({
    case: "allExtensionNumbersResponse",
    value: { baseTypeName: type, extensionNumber: [] },
  });
});

type Question = "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType";

async function startAsking() {
  const { channel } = await startReflected();
  const client = createClient(ServerReflection, channel);
  return async (question: Question, value: string): Promise<ServerReflectionResponse> => {
    async function* requests() {
      yield { host: "here", messageRequest: { case: question, value } };
    }
    const [answer] = await collect(client.serverReflectionInfo(requests()));
    if (answer === undefined) throw new Error("no answer");
    expect(answer.validHost).toBe("here");
    return answer;
  };
}

function filenames({ messageResponse }: ServerReflectionResponse): string[] {
  if (messageResponse.case !== "fileDescriptorResponse") return [];
  return messageResponse.value.fileDescriptorProto.map(
    (bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name,
  );
}
