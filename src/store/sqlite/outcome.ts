import { StoreError, type Bound, type StoreErrorCode } from "../../broker/store.js";
import { toStoreError } from "./failure.js";

/** The result of one call, as it crosses the thread boundary. A failure without a code is a defect. */
export type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false;
      readonly code: StoreErrorCode | undefined;
      readonly message: string;
      readonly bound?: Bound | undefined;
    };

export function toOutcome(error: unknown): Outcome {
  const known = toStoreError(error);
  if (known !== undefined) {
    return { ok: false, code: known.code, message: known.message, bound: known.bound };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { ok: false, code: undefined, message };
}

/** The error of a failed outcome, on the other side. */
export function toError({ code, message, bound }: Extract<Outcome, { ok: false }>): Error {
  return code === undefined ? new Error(message) : new StoreError(code, message, { bound });
}
