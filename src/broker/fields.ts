import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import { readName } from "../contract/names.js";
import { BrokerError } from "./broker-error.js";
import { maxBaseNameBytes, maxThreadIdBytes } from "./limits.js";

/** Checks of a request's fields. Each names the field and the fix. */

export function requireField(field: string, value: string): void {
  if (value === "") {
    throw new BrokerError(ErrorReason.FIELD_REQUIRED, `${field} is empty: it must be set`, {
      metadata: { field },
    });
  }
}

export function boundBytes(field: string, value: string | Uint8Array, maximum: number): void {
  const size = typeof value === "string" ? Buffer.byteLength(value) : value.byteLength;
  if (size > maximum) throw tooLarge(field, size, maximum, "bytes");
}

export function boundCount(field: string, count: number, maximum: number): void {
  if (count > maximum) throw tooLarge(field, count, maximum, "entries");
}

export function matchField(field: string, value: string, pattern: RegExp, form: string): void {
  if (!pattern.test(value)) throw invalidField(field, `${field} must be ${form}`);
}

/** Empty is no thread. */
export function checkThreadId(threadId: string): void {
  if (threadId === "") return;
  matchField("thread_id", threadId, /^[A-Za-z0-9._:-]+$/, "of A-Z a-z 0-9 . _ : -");
  boundBytes("thread_id", threadId, maxThreadIdBytes);
}

/** The name that is meant. */
export function requireName(text: string): string {
  boundBytes("name", text, maxBaseNameBytes);
  const { name, problem } = readName(text);
  if (problem !== undefined) throw invalidField("name", `name ${problem}`);
  return name;
}

export function requireReach(reach: Reach): void {
  if (reach === Reach.STORED || reach === Reach.NEXT_TURN || reach === Reach.WAKES) return;
  throw invalidField("reach", "reach must be REACH_STORED, REACH_NEXT_TURN or REACH_WAKES");
}

export function invalidField(field: string, message: string): BrokerError {
  return new BrokerError(ErrorReason.FIELD_INVALID, message, { metadata: { field } });
}

/** Text for people and models in one line: control and bidirectional characters become spaces. */
export function cleanLine(value: string): string {
  return value
    .replaceAll(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, " ")
    .trim();
}

function tooLarge(field: string, size: number, maximum: number, unit: string): BrokerError {
  return new BrokerError(
    ErrorReason.FIELD_TOO_LARGE,
    `${field} has ${size} ${unit}: at most ${maximum} are allowed`,
    { metadata: { field, limit: limitOf(field, unit), maximum: String(maximum) } },
  );
}

/** The name that GetServerInfo gives the bound of a field. */
function limitOf(field: string, unit: string): string {
  const name = field.split(".").at(-1) ?? field;
  if (name === "to") return "recipients";
  if (name === "cwd" || name === "root") return "path_bytes";
  return unit === "bytes" ? `${name}_bytes` : name;
}
