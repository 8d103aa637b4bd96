import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { describe, expect, test } from "vitest";
import { file_peerline_v1_broker_service } from "../../gen/peerline/v1/broker_service_pb.js";
import { file_peerline_v1_error_reason } from "../../gen/peerline/v1/error_reason_pb.js";
import { file_peerline_v1_message } from "../../gen/peerline/v1/message_pb.js";
import { file_peerline_v1_peer } from "../../gen/peerline/v1/peer_pb.js";
import {
  maxDeliveryAttempts,
  maxReturnDelayMs,
  noticeDelayMs,
  presenceGraceMs,
  reclaimDelayMs,
  returnDelayMs,
} from "../../src/broker/limits.js";
import { maxReconnectMs, minReconnectMs } from "../../src/client/limits.js";

const folder = join(import.meta.dirname, "../../proto/peerline/v1");
const files = [
  file_peerline_v1_broker_service,
  file_peerline_v1_error_reason,
  file_peerline_v1_message,
  file_peerline_v1_peer,
];
const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));

/** The comment over a declaration, on one line. */
function commentOf(declaration: string): string {
  const pattern = new RegExp(String.raw`((?:^ *//.*\n)+) *${declaration} \{`, "m");
  const comment = texts.map((text) => pattern.exec(text)?.[1]).find((found) => found !== undefined);
  return (comment ?? "").replaceAll(/\s*\/\/ ?/g, " ");
}

describe("the contract", () => {
  const enums = files.flatMap((file) =>
    [...nestedTypes(file)].filter((type) => type.kind === "enum"),
  );

  test.each(enums.map(({ name }) => name))("says of enum %s whether it is open", (name) => {
    expect(commentOf(`enum ${name}`)).toMatch(/\bOpen: more values may come|\bClosed: /);
  });

  test("has places for what is made of it in other languages", () => {
    expect(enums.length).toBeGreaterThan(9);
    for (const { proto } of files) {
      expect(proto.options).toMatchObject({
        goPackage: "peerline/v1;peerlinev1",
        javaPackage: "peerline.v1",
        javaMultipleFiles: true,
        csharpNamespace: "Peerline.V1",
      });
    }
  });

  test("states the times that the broker and its clients keep", () => {
    const head = commentOf("service BrokerService");
    expect([minReconnectMs, maxReconnectMs]).toEqual([100, 5000]);
    expect(head).toContain("waits about 100 ms, then twice as long each time up to 5 seconds");
    expect([presenceGraceMs, reclaimDelayMs, noticeDelayMs]).toEqual([3000, 1000, 1000]);
    expect(head).toContain("and for 3 seconds after");
    expect(head).toContain("For the first second after its start");
    expect(head).toContain("those of one second make one notice");
    expect([returnDelayMs, maxReturnDelayMs, maxDeliveryAttempts]).toEqual([500, 60_000, 5]);
    expect(head).toContain(
      "offered again after 500 ms, twice as long with each attempt, at most a minute",
    );
  });
});
