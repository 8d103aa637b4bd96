import type { StoreLimits } from "../limits.js";
import { mailProblem, queueProblem, type Shortage } from "../room.js";
import { readInteger, type Statement, type Statements } from "./statements.js";

/** The room that is left in queues and for all mail. Each method gives the bound that is reached, if any. */
export class Room {
  readonly #limits: StoreLimits;
  readonly #queue: Statement<Record<"messages" | "bytes" | "ownMessages" | "ownBytes", number>>;
  readonly #mail: Statement<Record<"own" | "all", number | null>>;

  constructor(statements: Statements, limits: StoreLimits) {
    this.#limits = limits;
    this.#queue = statements.prepare(`SELECT
      ${readInteger("q.open_messages")} AS messages, ${readInteger("q.open_bytes")} AS bytes,
      ${readInteger("coalesce(s.open_messages, 0)")} AS ownMessages,
      ${readInteger("coalesce(s.open_bytes, 0)")} AS ownBytes
      FROM queue q LEFT JOIN queue_share s ON s.peer_id = q.peer_id AND s.from_peer_id = :senderPeerId
      WHERE q.peer_id = :peerId`);
    this.#mail = statements.prepare(`SELECT
      (SELECT ${readInteger("bytes")} FROM mail WHERE from_peer_id = :senderPeerId) AS own,
      (SELECT ${readInteger("bytes")} FROM mail WHERE from_peer_id = '') AS "all"`);
  }

  problemOfQueue(
    { peerId, name }: { peerId: string; name: string },
    senderPeerId: string,
    sizeBytes: number,
  ): Shortage | undefined {
    const queue = this.#queue.one({ peerId, senderPeerId });
    const open = {
      messages: { own: queue?.ownMessages ?? 0, all: queue?.messages ?? 0 },
      bytes: { own: queue?.ownBytes ?? 0, all: queue?.bytes ?? 0 },
    };
    return queueProblem(name, open, sizeBytes, this.#limits);
  }

  /** @param sizeBytes of the message; 0 where it is kept already. */
  problemOfMail(senderPeerId: string, sizeBytes: number): Shortage | undefined {
    const kept = this.#mail.one({ senderPeerId });
    const use = { own: kept?.own ?? 0, all: kept?.all ?? 0 };
    return mailProblem(use, sizeBytes, this.#limits);
  }
}
