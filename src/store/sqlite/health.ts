import type { MessageCheck } from "./damage/message-check.js";
import type { FreeSpace } from "./free-space.js";
import type { Operations } from "./operations.js";
import type { Statements } from "./statements.js";

/** Whether messages are taken, and what an operator wants to know of the database. */
export function healthOperation(
  statements: Statements,
  check: MessageCheck,
  freeSpace: FreeSpace,
): Operations["checkHealth"] {
  return () => {
    const problem = freeSpace.problem();
    const size = statements.size.one() ?? { pages: 0, freePages: 0, pageBytes: 0 };
    return {
      writable: problem === undefined,
      problem: problem ?? "",
      bytes: size.pages * size.pageBytes,
      freeBytes: size.freePages * size.pageBytes,
      damagedMessages: check.damagedMessages,
    };
  };
}
