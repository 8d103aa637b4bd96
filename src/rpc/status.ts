import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { Metadata, type StatusObject } from "@grpc/grpc-js";
import { StatusSchema, type Status } from "../../gen/google/rpc/status_pb.js";
import { Code, RpcError } from "./error.js";
import { maxErrorDetailsBytes, maxErrorMessageBytes } from "./limits.js";

/** The trailers that tell an error to the caller. */
export function toStatus(error: RpcError): StatusObject {
  const status = statusOf(error);
  const metadata = new Metadata();
  if (status.details.length > 0) metadata.set(detailsHeader, encodeStatus(status));
  return { code: error.code, details: status.message, metadata };
}

/** An error as a message: of one entry of a call whose others went well. */
export function statusOf({ code, message, details }: RpcError): Status {
  return create(StatusSchema, { code, message: cut(message), details: [...details] });
}

/** The error that such a message tells of. */
export function errorOf({ code, message, details }: Status): RpcError {
  return new RpcError(isCode(code) ? code : Code.Unknown, message, { details });
}

/** The error that trailers tell of. */
export function fromStatus(
  status: { readonly code: number; readonly details: string; readonly metadata: Metadata },
  cause: unknown,
): RpcError {
  const [bytes] = status.metadata.get(detailsHeader);
  return new RpcError(isCode(status.code) ? status.code : Code.Unknown, status.details, {
    details: bytes instanceof Buffer ? decodeDetails(bytes) : [],
    cause,
  });
}

const detailsHeader = "grpc-status-details-bin";

const codes: ReadonlySet<number> = new Set(Object.values(Code));

function isCode(code: number): code is Code {
  return codes.has(code);
}

/** Also makes the message well-formed: grpc-js throws on half a surrogate pair. */
function cut(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= maxErrorMessageBytes) return bytes.toString();
  return `${bytes.subarray(0, maxErrorMessageBytes).toString()}…`;
}

/** With as many of the details, from the first on, as fit. */
function encodeStatus(status: Status): Buffer {
  const bytes = toBinary(StatusSchema, status);
  if (bytes.length <= maxErrorDetailsBytes || status.details.length === 0)
    return Buffer.from(bytes);
  return encodeStatus({ ...status, details: status.details.slice(0, -1) });
}

function decodeDetails(bytes: Buffer): readonly Any[] {
  try {
    return fromBinary(StatusSchema, bytes).details;
  } catch {
    // The code and the message still say what happened.
    return [];
  }
}
