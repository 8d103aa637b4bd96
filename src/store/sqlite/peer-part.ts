import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ProfileSchema } from "../../../gen/peerline/v1/peer_pb.js";
import type { PeerListener, PeerStore, StoredPeer } from "../../broker/store/peers.js";
import type { Clock } from "../../clock.js";
import { OwnPresences } from "../own-presences.js";
import { Watchers } from "../watchers.js";
import type { Calls } from "./calls.js";
import type { PeerRow } from "./operations.js";

/** The records of the store. Nobody else changes them while it is open. */
export function peerPart(calls: Calls, clock: Clock): PeerStore {
  const watchers = new Watchers<PeerListener>();
  const presences = new OwnPresences(watchers);
  const tellIfRemoved = (isRemoved: boolean, peerId: string): boolean => {
    if (isRemoved) watchers.tell((listener) => listener.peerRemoved(peerId));
    return isRemoved;
  };

  return {
    async watch(listener) {
      const watch = watchers.add(listener);
      // The thread does its calls in order, so that what is told meanwhile is not older.
      const [peers, machines] = await Promise.all([
        calls.call("loadPeers", clock.now()),
        calls.call("loadMachines"),
      ]);
      for (const peer of peers) listener.peer(fromPeerRow(peer));
      for (const machine of machines) listener.machine(machine);
      presences.tellAll(listener);
      return watch;
    },

    async create(peer) {
      await calls.call("createPeer", toPeerRow(peer));
      watchers.tell((listener) => listener.peer(peer));
    },

    async update(peer) {
      await calls.call("updatePeer", toPeerRow(peer));
      watchers.tell((listener) => listener.peer(peer));
    },

    remove: async (peerId) => tellIfRemoved(await calls.call("removePeer", peerId), peerId),
    forget: async (peerId) => tellIfRemoved(await calls.call("forgetPeer", peerId), peerId),

    announce: presences.announce,

    async putMachine(machine) {
      await calls.call("putMachine", machine);
      watchers.tell((listener) => listener.machine(machine));
    },

    async removeMachine(machineId) {
      await calls.call("removeMachine", machineId);
      watchers.tell((listener) => listener.machineRemoved(machineId));
    },

    createEnrolment: (enrolment, maximum) =>
      calls.call("createEnrolment", enrolment, maximum, clock.now()),
    listEnrolments: () => calls.call("listEnrolments", clock.now()),
    revokeEnrolments: () => calls.call("revokeEnrolments", clock.now()),

    async enrol(tokenHash, newcomer) {
      const use = await calls.call("enrol", tokenHash, newcomer, clock.now());
      if (use.state === "taken") watchers.tell((listener) => listener.machine(use.machine));
      return use;
    },
  };
}

export function toPeerRow(peer: StoredPeer): PeerRow {
  const profile = toBinary(ProfileSchema, peer.profile);
  const conversations = JSON.stringify(peer.conversations);
  return { ...peer, profile, conversations, formerNames: JSON.stringify(peer.formerNames) };
}

export function fromPeerRow(row: PeerRow): StoredPeer {
  const conversations = JSON.parse(row.conversations) as StoredPeer["conversations"];
  const formerNames = JSON.parse(row.formerNames) as StoredPeer["formerNames"];
  return { ...row, profile: fromBinary(ProfileSchema, row.profile), conversations, formerNames };
}
