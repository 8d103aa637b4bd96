import type { StoreLimits } from "../limits.js";
import { mailProblem, queueProblem, type Shortage } from "../room.js";
import type { Statements } from "./statements.js";

/** The room that is left in the queues and for all mail; each method says what is missing, if it is. */
export class Room {
  readonly #statements: Statements;
  readonly #limits: StoreLimits;

  constructor(statements: Statements, limits: StoreLimits) {
    this.#statements = statements;
    this.#limits = limits;
  }

  problemOfQueue(
    { peerId, name }: { peerId: string; name: string },
    senderPeerId: string,
    sizeBytes: number,
  ): Shortage | undefined {
    const queue = this.#statements.getQueue.one(peerId);
    if (queue === undefined) return queueProblem(name, nothing, sizeBytes, this.#limits);
    const share = this.#statements.getShare.one(peerId, senderPeerId);
    const open = {
      messages: { own: share?.openMessages ?? 0, all: queue.openMessages },
      bytes: { own: share?.openBytes ?? 0, all: queue.openBytes },
    };
    return queueProblem(name, open, sizeBytes, this.#limits);
  }

  /** @param sizeBytes of the message; 0 where it is kept already. */
  problemOfMail(senderPeerId: string, sizeBytes: number): Shortage | undefined {
    const all = this.#statements.getMail.one("")?.bytes ?? 0;
    const own = this.#statements.getMail.one(senderPeerId)?.bytes ?? 0;
    return mailProblem({ own, all }, sizeBytes, this.#limits);
  }
}

const nothing = { messages: { own: 0, all: 0 }, bytes: { own: 0, all: 0 } };
