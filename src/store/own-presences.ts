import type { PeerListener, PeerStore, Presence } from "../broker/store/peers.js";
import type { Watchers } from "./watchers.js";

/** What this process said of sessions: of a store that no other process serves. */
export class OwnPresences {
  readonly #said = new Map<string, Presence>();
  readonly #watchers: Watchers<PeerListener>;

  constructor(watchers: Watchers<PeerListener>) {
    this.#watchers = watchers;
  }

  readonly announce: PeerStore["announce"] = async (peerId, presence) => {
    if (presence === undefined) this.#said.delete(peerId);
    else this.#said.set(peerId, presence);
    this.#watchers.tell((listener) => listener.presence(peerId, presence));
  };

  tellAll(listener: PeerListener): void {
    for (const [peerId, presence] of this.#said) listener.presence(peerId, presence);
  }
}
