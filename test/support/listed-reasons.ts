import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";

const path = join(import.meta.dirname, "../../proto/peerline/v1/broker_service.proto");
const text = readFileSync(path, "utf8");

/** The reasons that any call may fail with, which the head of the service lists. */
export const reasonsOfAny = new Set(
  reasonsIn(/any may fail with\n((?:\/\/.*\n)+?)\/\/\n/.exec(text)?.[1] ?? "").filter(
    (reason) => !reason.startsWith("FIELD_"),
  ),
);

/** The reasons that each call lists, of its own and of its entries, by the call's name. */
export const reasonsOfCalls: ReadonlyMap<string, readonly string[]> = readCalls();

/** `FIELD_*` stands for the three reasons of a field, as far as the call has such fields. */
export const fieldReasons = ["FIELD_REQUIRED", "FIELD_INVALID", "FIELD_TOO_LARGE"];

function readCalls(): Map<string, readonly string[]> {
  const calls = new Map<string, readonly string[]>();
  for (const [, comment = "", name = ""] of text.matchAll(
    /((?:^ {2}\/\/.*\n)+) {2}rpc (\w+)\(/gm,
  )) {
    const errors = /Errors:([\s\S]*?)(?:\n {2}\/\/\n|$)/.exec(comment)?.[1] ?? "";
    const other = /^\s*(?:\/\/ )?as\s+(?:\/\/ )?(\w+)\./.exec(errors)?.[1];
    calls.set(name, (other === undefined ? undefined : calls.get(other)) ?? reasonsIn(errors));
  }
  return calls;
}

function reasonsIn(comment: string): string[] {
  const words = comment.match(/\b[A-Z]+(?:_[A-Z*]+)*\*?/g) ?? [];
  return [...new Set(words.filter((word) => word === "FIELD_*" || word in ErrorReason))];
}
