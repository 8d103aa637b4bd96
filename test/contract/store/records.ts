import type { PeerListener, StoredMachine, StoredPeer } from "../../../src/broker/store/peers.js";
import type { Store } from "../../../src/broker/store/store.js";

/** Hears nothing, except what the test asks for. */
export const deaf: PeerListener = {
  peer: () => {},
  peerRemoved: () => {},
  machine: () => {},
  machineRemoved: () => {},
  presence: () => {},
};

/** Every peer's record, as whoever watches is told at first. */
export async function peersOf({ peers }: Pick<Store, "peers">): Promise<StoredPeer[]> {
  const told = new Map<string, StoredPeer>();
  const watch = await peers.watch({ ...deaf, peer: (peer) => void told.set(peer.peerId, peer) });
  watch[Symbol.dispose]();
  return [...told.values()];
}

/** Every machine's record. */
export async function machinesOf({ peers }: Pick<Store, "peers">): Promise<StoredMachine[]> {
  const told = new Map<string, StoredMachine>();
  const machine = (one: StoredMachine): void => void told.set(one.machineId, one);
  const watch = await peers.watch({ ...deaf, machine });
  watch[Symbol.dispose]();
  return [...told.values()];
}
