import type { StoredPeer } from "../broker/store/peers.js";
import { StoreError } from "../broker/store/store.js";

/** Peers by id, with unique names and secrets. */
export class PeerTable {
  readonly #peers = new Map<string, StoredPeer>();

  list(): StoredPeer[] {
    return [...this.#peers.values()];
  }

  get(peerId: string): StoredPeer | undefined {
    return this.#peers.get(peerId);
  }

  /** Whether a new peer may be put: false where it was already, and was not changed since. */
  checkCreation(peer: StoredPeer): boolean {
    const present = this.#peers.get(peer.peerId);
    if (present === undefined) {
      this.#assertUnique(peer);
      return true;
    }
    const repeated =
      present.revision === peer.revision &&
      present.name === peer.name &&
      present.secretHash === peer.secretHash;
    if (!repeated) throw new StoreError("CONFLICT", `The peer ${peer.peerId} exists.`);
    return false;
  }

  /** Refuses what may not be put in place of the record that is there, which it returns. */
  checkUpdate(peer: StoredPeer): StoredPeer {
    const present = this.#peers.get(peer.peerId);
    if (present === undefined) {
      throw new StoreError("NOT_FOUND", `There is no peer ${peer.peerId}.`);
    }
    if (present.revision !== peer.revision - 1) {
      throw new StoreError("CONFLICT", `The peer is at revision ${present.revision}.`);
    }
    const isKnown = present.name === peer.name && present.secretHash === peer.secretHash;
    if (!isKnown) this.#assertUnique(peer);
    return present;
  }

  /** What was checked before. */
  put(peer: StoredPeer): void {
    this.#peers.set(peer.peerId, peer);
  }

  remove(peerId: string): boolean {
    return this.#peers.delete(peerId);
  }

  #assertUnique(peer: StoredPeer): void {
    for (const other of this.#peers.values()) {
      if (other.peerId === peer.peerId) continue;
      if (other.name === peer.name) {
        throw new StoreError("NAME_TAKEN", `Another peer has the name ${peer.name}.`);
      }
      if (other.secretHash === peer.secretHash) {
        throw new StoreError("SECRET_TAKEN", "Another peer has this secret.");
      }
    }
  }
}
