import { MachineScope } from "../../../gen/peerline/v1/machine_pb.js";
import { Reach } from "../../../gen/peerline/v1/peer_pb.js";
import type {
  PeerListener,
  Presence,
  StoredMachine,
  StoredPeer,
} from "../../../src/broker/store/peers.js";
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

/** A machine that is let in. */
export const machine: StoredMachine = {
  machineId: "m1",
  name: "desktop",
  scope: MachineScope.AGENT,
  credentialHash: "c1",
  createTimeMs: 1,
  lastUseMs: 1,
  lastUseAddress: "10.0.0.2",
  revokeTimeMs: 0,
  revision: 1,
};

/** Of a session. */
export const presence: Presence = {
  brokerId: "b1",
  epoch: 3,
  instanceId: "i1",
  conversationId: "",
  isSure: true,
  isLive: true,
  online: true,
  reach: Reach.NEXT_TURN,
};
