import type { Operations } from "./operations.js";
import type { Statements } from "./statements.js";

/** What was never presented, by when it expires. */
export function expiryOperations(
  statements: Statements,
): Pick<Operations, "listExpired" | "nextExpiryMs"> {
  return {
    listExpired({ expireTimeMs, seq }, limit, nowMs) {
      return statements.listExpired.all(expireTimeMs, seq, nowMs, limit);
    },
    nextExpiryMs: () => statements.nextExpiry.one()?.expireTimeMs ?? undefined,
  };
}
