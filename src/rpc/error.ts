import type { DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import { anyIs, anyPack, anyUnpack, type Any } from "@bufbuild/protobuf/wkt";

/**
 * Why a call failed. A handler throws it to tell its caller; a client throws nothing else, except what the
 * caller's own request stream threw.
 */
export class RpcError extends Error {
  override readonly name = "RpcError";
  /** What `google.rpc.Status.details` carries. */
  readonly details: readonly Any[];

  /** @param options.cause is kept here and never sent. */
  constructor(
    readonly code: Code,
    message: string,
    options: { details?: readonly (ErrorDetail | Any)[]; cause?: unknown } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.details = (options.details ?? []).map((detail) =>
      "schema" in detail ? anyPack(detail.schema, detail.message) : detail,
    );
  }

  /** The first detail of this type; undefined where there is none, or it cannot be read. */
  findDetail<Desc extends DescMessage>(schema: Desc): MessageShape<Desc> | undefined {
    const detail = this.details.find((any) => anyIs(any, schema));
    try {
      return detail && anyUnpack(detail, schema);
    } catch {
      return undefined;
    }
  }
}

/** Whether a call failed with this code. */
export function hasCode(error: unknown, code: Code): error is RpcError {
  return error instanceof RpcError && error.code === code;
}

/** A message that goes with an error, for example a `google.rpc.ErrorInfo`. */
export interface ErrorDetail {
  readonly schema: DescMessage;
  readonly message: Message;
}

/** The gRPC status codes, except OK, which is no error. */
export const Code = {
  Cancelled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;

export type Code = (typeof Code)[keyof typeof Code];

/** What a thrown value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
