/**
 * Who presented the open messages of a peer that nobody confirmed, as far as this broker can know it. It has seen
 * some presented itself. What was presented before the peer's session came here from another broker was presented by
 * the instance that had the peer there.
 */
export class Unconfirmed {
  /** The session's that came here from another broker, or of the first one. */
  readonly sinceEpoch: number;
  /** The instance that had the peer before, where that was at another broker; else empty. */
  readonly #instanceElsewhere: string;
  readonly #presentedBy = new Map<bigint, string>();
  /** Messages that were offered here since then: of these it is known who presented them. */
  readonly #offered = new Set<bigint>();

  constructor(sinceEpoch: number, instanceElsewhere: string) {
    this.sinceEpoch = sinceEpoch;
    this.#instanceElsewhere = instanceElsewhere;
  }

  /** It holds nothing that is to be remembered. */
  get isEmpty(): boolean {
    return this.#presentedBy.size === 0 && this.#instanceElsewhere === "";
  }

  /** A stream ended that had presented the message. */
  note(seq: bigint, instanceId: string): void {
    this.#presentedBy.set(seq, instanceId);
  }

  /** The message is offered again: says once who presented it and did not confirm it. */
  take(seq: bigint, wasPresented: boolean): string | undefined {
    const presentedBy = this.#presentedBy.get(seq);
    this.#presentedBy.delete(seq);
    if (this.#instanceElsewhere === "") return presentedBy;
    const isFirst = !this.#offered.has(seq);
    this.#offered.add(seq);
    return presentedBy ?? (wasPresented && isFirst ? this.#instanceElsewhere : undefined);
  }

  /** The message is open no more. */
  settle(seq: bigint): void {
    this.#presentedBy.delete(seq);
    this.#offered.delete(seq);
  }
}
