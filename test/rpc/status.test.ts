import { create } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { DebugInfoSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { Code, RpcError } from "../../src/rpc/error.js";
import { maxErrorDetailsBytes } from "../../src/rpc/limits.js";
import { fromStatus, toStatus } from "../../src/rpc/status.js";

test("leaves out the details that do not fit, from the last on", () => {
  const small = { schema: ErrorInfoSchema, message: create(ErrorInfoSchema, { reason: "WHY" }) };
  const detail = "x".repeat(maxErrorDetailsBytes);
  const large = { schema: DebugInfoSchema, message: create(DebugInfoSchema, { detail }) };
  const error = new RpcError(Code.Internal, "why", { details: [small, large, small] });
  expect(error.details).toHaveLength(3);
  const told = fromStatus(toStatus(error), undefined);
  expect(told.details).toHaveLength(1);
  expect(told.findDetail(ErrorInfoSchema)?.reason).toBe("WHY");
});

test("takes an error without readable details, or of an unknown code, for what it is", () => {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from("garbage"));
  const error = fromStatus({ code: 99, details: "strange", metadata }, undefined);
  expect(error).toMatchObject({ code: Code.Unknown, message: "strange", details: [] });
});

test("a detail that cannot be read is not found", () => {
  const message = create(ErrorInfoSchema, { reason: "WHY" });
  const error = new RpcError(Code.Internal, "why", {
    details: [{ schema: ErrorInfoSchema, message }],
  });
  for (const any of error.details) any.value = Buffer.from([0x0a, 0xff]);
  expect(error.findDetail(ErrorInfoSchema)).toBeUndefined();
});
