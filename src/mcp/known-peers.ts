import { maxKnownPeers } from "./limits.js";

/**
 * Which peer the agent knows by which name: the one that it was shown last under it. A name may be
 * another's by the time that the agent uses it, and the broker then says so.
 */
export class KnownPeers {
  /** Who was shown last is last. */
  readonly #ids = new Map<string, string>();

  /** The agent is shown this peer under this name. Returns whether it knew another by it. */
  show(name: string, peerId: string): boolean {
    if (name === "" || peerId === "") return false;
    const known = this.#ids.get(name);
    this.#ids.delete(name);
    this.#ids.set(name, peerId);
    for (const oldest of this.#ids.keys()) {
      if (this.#ids.size <= maxKnownPeers) break;
      this.#ids.delete(oldest);
    }
    return known !== undefined && known !== peerId;
  }

  /** The agent is shown a name that the peer had before; whoever it knows by it stays. */
  showFormer(name: string, peerId: string): void {
    if (!this.#ids.has(name)) this.show(name, peerId);
  }

  /** Those of the names that it knows. */
  of(names: readonly string[]): Record<string, string> {
    const wanted = names.map((name) => name.trim().toLowerCase());
    return Object.fromEntries(
      wanted.flatMap((name) => {
        const peerId = this.#ids.get(name);
        return peerId === undefined ? [] : [[name, peerId]];
      }),
    );
  }
}

/** What tells the agent that these names are others' than before. */
export function otherOwnersNote(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  return names
    .map((name) => `${name} is another agent than the one you knew by that name`)
    .join("; ");
}
