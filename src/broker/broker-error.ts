import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import { Code, RpcError, type ErrorDetail } from "../rpc/error.js";
import type { DescribeFault, Fault } from "../rpc/fault.js";
import { maxMessageBytes } from "../rpc/limits.js";
import { mailRetryMs, queueRetryMs } from "./limits.js";
import { StoreError } from "./store/store.js";

const errorDomain = "peerline.v1";

const codes: Record<ErrorReason, Code> = {
  [ErrorReason.UNSPECIFIED]: Code.Internal,
  [ErrorReason.FIELD_REQUIRED]: Code.InvalidArgument,
  [ErrorReason.FIELD_INVALID]: Code.InvalidArgument,
  [ErrorReason.FIELD_TOO_LARGE]: Code.InvalidArgument,
  [ErrorReason.TOKEN_MISSING]: Code.Unauthenticated,
  [ErrorReason.TOKEN_INVALID]: Code.Unauthenticated,
  [ErrorReason.NOT_ALLOWED]: Code.PermissionDenied,
  [ErrorReason.PEER_NOT_FOUND]: Code.NotFound,
  [ErrorReason.PEER_AMBIGUOUS]: Code.InvalidArgument,
  [ErrorReason.PEER_LIVE]: Code.AlreadyExists,
  [ErrorReason.NAME_TAKEN]: Code.AlreadyExists,
  [ErrorReason.MESSAGE_NOT_FOUND]: Code.NotFound,
  [ErrorReason.MESSAGE_AMBIGUOUS]: Code.InvalidArgument,
  [ErrorReason.MESSAGE_ID_REUSED]: Code.AlreadyExists,
  [ErrorReason.DELIVERY_NOT_FOUND]: Code.NotFound,
  [ErrorReason.DELIVERY_STALE]: Code.FailedPrecondition,
  [ErrorReason.QUEUE_FULL]: Code.ResourceExhausted,
  [ErrorReason.STORE_FULL]: Code.ResourceExhausted,
  [ErrorReason.LIMIT_REACHED]: Code.ResourceExhausted,
  [ErrorReason.STORE_UNAVAILABLE]: Code.Unavailable,
  [ErrorReason.DATA_LOSS]: Code.DataLoss,
  [ErrorReason.STOPPING]: Code.Unavailable,
  [ErrorReason.SUPERSEDED]: Code.Aborted,
  [ErrorReason.INTERNAL]: Code.Internal,
  [ErrorReason.RATE_LIMITED]: Code.ResourceExhausted,
  [ErrorReason.HOP_LIMIT]: Code.ResourceExhausted,
  [ErrorReason.REPEATED_TEXT]: Code.ResourceExhausted,
  [ErrorReason.MUTED]: Code.PermissionDenied,
  [ErrorReason.PEER_RENAMED]: Code.FailedPrecondition,
  [ErrorReason.METHOD_UNKNOWN]: Code.Unimplemented,
  [ErrorReason.MACHINE_REQUIRED]: Code.Unauthenticated,
  [ErrorReason.MACHINE_UNKNOWN]: Code.Unauthenticated,
  [ErrorReason.SESSION_FOREIGN]: Code.PermissionDenied,
  [ErrorReason.SCOPE_EXCEEDED]: Code.PermissionDenied,
  [ErrorReason.ENROLMENT_INVALID]: Code.PermissionDenied,
  [ErrorReason.MACHINE_NOT_FOUND]: Code.NotFound,
  [ErrorReason.LISTEN_FAILED]: Code.FailedPrecondition,
};

/** What the broker refuses, and why: the reason decides the gRPC status. */
export class BrokerError extends RpcError {
  constructor(
    readonly reason: ErrorReason,
    message: string,
    options: {
      metadata?: Record<string, string>;
      /** When the same call may succeed. */
      retryAfterMs?: number;
      cause?: unknown;
    } = {},
  ) {
    const info = create(ErrorInfoSchema, {
      reason: ErrorReason[reason],
      domain: errorDomain,
      metadata: options.metadata ?? {},
    });
    super(codes[reason], message, {
      details: [{ schema: ErrorInfoSchema, message: info }, ...retryDetail(options.retryAfterMs)],
      ...(options.cause === undefined ? {} : { cause: options.cause }),
    });
  }
}

function retryDetail(retryAfterMs: number | undefined): ErrorDetail[] {
  if (retryAfterMs === undefined) return [];
  const message = create(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterMs) });
  return [{ schema: RetryInfoSchema, message }];
}

/** A failure that no handler raised, as an error of the contract. */
export const describeFault: DescribeFault = (fault, message, cause) =>
  new BrokerError(faultReasons[fault], message, {
    cause,
    ...(fault === "large request"
      ? { metadata: { limit: "request_bytes", maximum: String(maxMessageBytes) } }
      : {}),
  });

const faultReasons: Record<Fault, ErrorReason> = {
  "unreadable request": ErrorReason.FIELD_INVALID,
  "large request": ErrorReason.FIELD_TOO_LARGE,
  "unknown method": ErrorReason.METHOD_UNKNOWN,
  defect: ErrorReason.INTERNAL,
};

/** Runs calls of the store and says their errors in the broker's words. */
export async function translateStoreErrors<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw error instanceof StoreError ? fromStoreError(error) : error;
  }
}

/** The broker's words for an error of the store. A code that the core must have handled is a defect. */
export function fromStoreError(error: StoreError): BrokerError | StoreError {
  const reason = storeReasons[error.code];
  if (reason === undefined) return error;
  const retryAfterMs = retryTimes[error.code];
  const { bound } = error;
  return new BrokerError(reason, error.message, {
    ...(bound === undefined
      ? {}
      : { metadata: { limit: bound.limit, maximum: String(bound.maximum) } }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    cause: error,
  });
}

/** When to try again: a guess, since nobody can know. */
const retryTimes: Partial<Record<StoreError["code"], number>> = {
  QUEUE_FULL: queueRetryMs,
  MAIL_FULL: mailRetryMs,
};

const storeReasons: Partial<Record<StoreError["code"], ErrorReason>> = {
  NAME_TAKEN: ErrorReason.NAME_TAKEN,
  MESSAGE_ID_REUSED: ErrorReason.MESSAGE_ID_REUSED,
  QUEUE_FULL: ErrorReason.QUEUE_FULL,
  MAIL_FULL: ErrorReason.LIMIT_REACHED,
  FULL: ErrorReason.STORE_FULL,
  UNAVAILABLE: ErrorReason.STORE_UNAVAILABLE,
  DATA_LOSS: ErrorReason.DATA_LOSS,
};
