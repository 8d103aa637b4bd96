import {
  status as grpcStatus,
  type Server,
  type ServerInterceptingCallInterface,
} from "@grpc/grpc-js";
import { Code, RpcError } from "./error.js";
import { maxMessageBytes } from "./limits.js";
import { toStatus } from "./status.js";

/** Why a call fails that no handler refuses, and the status code of that. */
export const faultCodes = {
  "unreadable request": Code.InvalidArgument,
  // Not RESOURCE_EXHAUSTED, as grpc-js has it: the same request never succeeds.
  "large request": Code.InvalidArgument,
  "unknown method": Code.Unimplemented,
  defect: Code.Internal,
} as const;

export type Fault = keyof typeof faultCodes;

/** Says a fault as an error, with the details that a service gives to its errors. */
export type DescribeFault = (fault: Fault, message: string, cause?: unknown) => RpcError;

type CallStatus = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/** Without details. */
export const describePlainly: DescribeFault = (fault, message, cause) =>
  new RpcError(faultCodes[fault], message, { cause });

/**
 * Says what grpc-js 1.14 finds wrong with a request as faults. It does so in the innermost call, before
 * any interceptor, and without metadata.
 */
export function describeRequestFaults(
  call: ServerInterceptingCallInterface,
  describe: DescribeFault,
): void {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (status) => send(describeRequestFault(status, describe));
}

function describeRequestFault(status: CallStatus, describe: DescribeFault): CallStatus {
  // An error of a handler has metadata, if without entries.
  if (status.code === grpcStatus.OK || status.metadata) return status;
  const told = status.details ?? "";
  switch (status.code) {
    case grpcStatus.RESOURCE_EXHAUSTED: {
      const size = `has more than ${maxMessageBytes} bytes.`;
      return status.metadata === undefined
        ? toStatus(describe("large request", `The request ${size}`, told))
        : toStatus(describe("defect", `The response ${size}`, told));
    }
    case grpcStatus.DEADLINE_EXCEEDED:
    case grpcStatus.CANCELLED:
      return status;
    default:
      // A compression that it does not know, or bytes that are not compressed so.
      return toStatus(describe("unreadable request", `The request cannot be read: ${told}`));
  }
}

/** grpc-js 1.14 answers a method that nobody serves in a private method, past all interceptors. */
export function describeUnknownMethods(server: Server, describe: DescribeFault): void {
  const respond = Reflect.get(server, "_respondWithError") as (...args: unknown[]) => void;
  Reflect.set(
    server,
    "_respondWithError",
    ({ details }: { details: string }, ...rest: unknown[]) => {
      Reflect.apply(respond, server, [toStatus(describe("unknown method", details)), ...rest]);
    },
  );
}
