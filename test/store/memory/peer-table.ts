import type { StoredPeer } from "../../../src/broker/store/peers.js";
import { StoreError } from "../../../src/broker/store/store.js";

/** Peers by id, with unique names and secrets. */
export class PeerTable {
  readonly #peers = new Map<string, StoredPeer>();

  list(): StoredPeer[] {
    return [...this.#peers.values()];
  }

  create(peer: StoredPeer): void {
    const present = this.#peers.get(peer.peerId);
    if (present !== undefined) return assertRepeated(present, peer);
    this.#assertUnique(peer);
    this.#peers.set(peer.peerId, peer);
  }

  update(peer: StoredPeer): void {
    const present = this.#peers.get(peer.peerId);
    if (present === undefined) {
      throw new StoreError("NOT_FOUND", `There is no peer ${peer.peerId}.`);
    }
    if (present.revision !== peer.revision - 1) {
      throw new StoreError("CONFLICT", `The peer is at revision ${present.revision}.`);
    }
    this.#assertUnique(peer);
    this.#peers.set(peer.peerId, peer);
  }

  remove(peerId: string): void {
    this.#peers.delete(peerId);
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

/** A creation may be repeated while nothing has changed since. */
function assertRepeated(present: StoredPeer, peer: StoredPeer): void {
  const repeated =
    present.revision === peer.revision &&
    present.name === peer.name &&
    present.secretHash === peer.secretHash;
  if (!repeated) throw new StoreError("CONFLICT", `The peer ${peer.peerId} exists.`);
}
