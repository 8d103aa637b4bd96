import type { Clock } from "../../clock.js";
import { maxConversationsPerPeer } from "../limits.js";
import type { StoredPeer } from "../store/peers.js";
import type { PeerRecord } from "./directory.js";

/** Which conversation of a host is bound to which peer: to several, in turn, and the last binding counts. */
export class Conversations {
  readonly #clock: Clock;
  /** When the newest binding was made. */
  #lastBoundMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A record has these bindings, of this broker or of another, whose clock may be ahead. */
  heard({ conversations }: StoredPeer): void {
    for (const { boundAtMs } of conversations)
      this.#lastBoundMs = Math.max(this.#lastBoundMs, boundAtMs);
  }

  /** The one of these peers to which the conversation was bound last. */
  boundTo(conversationId: string, peers: Iterable<PeerRecord>): PeerRecord | undefined {
    if (conversationId === "") return undefined;
    let newest: { peer: PeerRecord; boundAtMs: number } | undefined;
    for (const peer of peers) {
      for (const { id, boundAtMs } of peer.stored.conversations) {
        if (id === conversationId && boundAtMs >= (newest?.boundAtMs ?? 0))
          newest = { peer, boundAtMs };
      }
    }
    return newest?.peer;
  }

  /** The peer's conversations, this one bound now. */
  bind(stored: StoredPeer, conversationId: string): StoredPeer["conversations"] {
    if (conversationId === "") return stored.conversations;
    const others = stored.conversations.filter(({ id }) => id !== conversationId);
    // Later than every binding before it, though the clock was set back: the last one counts.
    this.#lastBoundMs = Math.max(this.#clock.now(), this.#lastBoundMs + 1);
    const bound = { id: conversationId, boundAtMs: this.#lastBoundMs };
    return [...others, bound].slice(-maxConversationsPerPeer);
  }
}
