import { expect } from "vitest";
import type { Message, MessageRecord } from "../../../gen/peerline/v1/message_pb.js";
import type { Peer } from "../../../gen/peerline/v1/peer_pb.js";
import { undeliveredIn } from "./history.js";
import { isOpen, type Model, type ModelPeer } from "./model.js";

/** Every message, in the order sent, with every receipt. */
export function expectSameMessages(model: Model, records: readonly MessageRecord[]): void {
  const ids = records.map(({ message }) => message?.messageId);
  expect(ids).toEqual(model.messages.map(({ messageId }) => messageId));
  for (const [index, { message, receipts }] of records.entries()) {
    const known = model.messages[index];
    expect(message).toMatchObject({ text: known?.text, from: { peerId: known?.from.peerId } });
    expect(receipts).toHaveLength(known?.deliveries.size ?? 0);
    for (const [peer, delivery] of known?.deliveries ?? []) {
      const receipt = receipts.find(({ recipient }) => recipient?.peerId === peer.peerId);
      const what = `${message?.text} for ${peer.name}`;
      expect(model.allowedStates(delivery), what).toContain(receipt?.state);
      const { attempts, confirmedBy } = delivery;
      expect(receipt, what).toMatchObject({ attempts, confirmedBy });
    }
  }
}

/** Every peer with its name; who has a stream is online. */
export function expectSamePeers(model: Model, peers: readonly Peer[]): void {
  expect(byId(peers).map(({ peerId, name }) => [peerId, name])).toEqual(
    byId(model.peers).map(({ peerId, name }) => [peerId, name]),
  );
  for (const peer of peers) {
    const known = model.peers.find(({ peerId }) => peerId === peer.peerId);
    if (known?.stream !== undefined) expect(peer.online, peer.name).toBe(true);
  }
}

/** A notice tells a sender of its own messages that ended, and of nothing else. */
export function expectOwnEnds(model: Model, sender: ModelPeer, notice: Message | undefined): void {
  for (const id of undeliveredIn(notice)) {
    const message = model.messages.find(({ messageId }) => messageId === id);
    expect(message?.from, `the sender of ${id}`).toBe(sender);
    const isBad = [...(message?.deliveries.values() ?? [])].some(
      (ended) => !isOpen(ended) || model.mayExpire(ended),
    );
    expect(isBad, `${id} ended`).toBe(true);
  }
}

function byId<T extends Pick<Peer, "peerId">>(peers: readonly T[]): T[] {
  return peers.toSorted((a, b) => (a.peerId < b.peerId ? -1 : 1));
}
