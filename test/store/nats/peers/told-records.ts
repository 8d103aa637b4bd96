import { onTestFinished } from "vitest";
import type {
  PeerStore,
  Presence,
  StoredMachine,
  StoredPeer,
} from "../../../../src/broker/store/peers.js";

/** What a watch has told, as it stands. */
export interface ToldRecords {
  readonly peers: ReadonlyMap<string, StoredPeer>;
  readonly machines: ReadonlyMap<string, StoredMachine>;
  readonly presences: ReadonlyMap<string, Presence>;
  /** Of each peer, the epochs of the sessions that were told; 0 where there is none. */
  readonly epochs: ReadonlyMap<string, readonly number[]>;
  /** Two peers had one name for a moment. */
  readonly shared: readonly string[];
}

/** Watches until the test ends. */
export async function watchRecords(store: PeerStore): Promise<ToldRecords> {
  const peers = new Map<string, StoredPeer>();
  const machines = new Map<string, StoredMachine>();
  const presences = new Map<string, Presence>();
  const epochs = new Map<string, number[]>();
  const shared: string[] = [];
  const watch = await store.watch({
    peer(peer) {
      for (const other of peers.values()) {
        if (other.name === peer.name && other.peerId !== peer.peerId) shared.push(peer.name);
      }
      peers.set(peer.peerId, peer);
    },
    peerRemoved: (peerId) => void peers.delete(peerId),
    machine: (machine) => void machines.set(machine.machineId, machine),
    machineRemoved: (machineId) => void machines.delete(machineId),
    presence(peerId, presence) {
      if (presence === undefined) presences.delete(peerId);
      else presences.set(peerId, presence);
      epochs.set(peerId, [...(epochs.get(peerId) ?? []), presence?.epoch ?? 0]);
    },
  });
  onTestFinished(() => watch[Symbol.dispose]());
  return { peers, machines, presences, epochs, shared };
}
