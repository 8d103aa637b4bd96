import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { PeerKind, ProfileSchema } from "../../../gen/peerline/v1/peer_pb.js";
import type { StoredPeer } from "../../../src/broker/store/peers.js";
import { alice, bob, draft, sendFirst } from "./drafts.js";
import { openStore, type StoreTechnology, testReopened } from "./technology.js";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { peersOf } from "./records.js";

export function definePeerContract(technology: StoreTechnology): void {
  describe("peers", () => {
    test("loads a peer as it was created", async () => {
      const { store } = await openStore(technology);
      await store.peers.create(peer("api"));
      expect(await peersOf(store)).toEqual([peer("api")]);
    });

    test("a creation may be repeated until the peer is changed", async () => {
      const { store } = await openStore(technology);
      await store.peers.create(peer("api"));
      await store.peers.create(peer("api"));
      await store.peers.update({ ...peer("api"), revision: 2 });
      await expect(store.peers.create(peer("api"))).rejects.toMatchObject({ code: "CONFLICT" });
      expect(await peersOf(store)).toHaveLength(1);
    });

    test("refuses a name and a secret that another peer has", async () => {
      const { store } = await openStore(technology);
      await store.peers.create(peer("api"));
      const sameName = { ...peer("web"), name: "api" };
      await expect(store.peers.create(sameName)).rejects.toMatchObject({ code: "NAME_TAKEN" });
      const sameSecret = { ...peer("web"), secretHash: peer("api").secretHash };
      await expect(store.peers.create(sameSecret)).rejects.toMatchObject({ code: "SECRET_TAKEN" });
      expect(await peersOf(store)).toEqual([peer("api")]);
    });

    test("gives a name to one of those that ask for it at once", async () => {
      const { store } = await openStore(technology);
      const peers = ["a", "b", "c", "d"].map((id) => ({ ...peer(id), name: "api" }));
      const outcomes = await Promise.allSettled(peers.map((one) => store.peers.create(one)));
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect(await peersOf(store)).toHaveLength(1);
    });

    test("replaces the record of the revision before", async () => {
      const { store } = await openStore(technology);
      await store.peers.create(peer("api"));
      const updated = {
        ...peer("api"),
        name: "backend",
        profile: create(ProfileSchema, { summary: "auth" }),
        conversations: [],
        formerNames: [{ name: "api", untilMs: 1_767_225_600_003 }],
        mutedUntilMs: Number.MAX_SAFE_INTEGER,
        epoch: 4,
        revision: 2,
      };
      await store.peers.update(updated);
      expect(await peersOf(store)).toEqual([updated]);
    });

    test("a name that was given up is free", async () => {
      const { store } = await openStore(technology);
      await store.peers.create(peer("api"));
      await store.peers.update({ ...peer("api"), name: "backend", revision: 2 });
      await store.peers.create({ ...peer("other"), name: "api" });
      const names = (await peersOf(store)).map(({ name }) => name);
      expect(names.toSorted()).toEqual(["api", "backend"]);
    });

    test("refuses an update of another revision, of no peer, to a taken name", async () => {
      const { store } = await openStore(technology);
      await store.peers.create(peer("api"));
      await store.peers.create(peer("web"));
      const update = (change: Partial<StoredPeer>) =>
        store.peers.update({ ...peer("api"), revision: 2, ...change });
      await expect(update({ revision: 1 })).rejects.toMatchObject({ code: "CONFLICT" });
      await expect(update({ revision: 3 })).rejects.toMatchObject({ code: "CONFLICT" });
      await expect(update({ peerId: "nobody" })).rejects.toMatchObject({ code: "NOT_FOUND" });
      await expect(update({ name: "web" })).rejects.toMatchObject({ code: "NAME_TAKEN" });
      expect(await peersOf(store)).toContainEqual(peer("api"));
    });

    test("lets one of two updates of the same revision win", async () => {
      const { store } = await openStore(technology);
      await store.peers.create(peer("api"));
      const outcomes = await Promise.allSettled(
        [1, 2].map((epoch) => store.peers.update({ ...peer("api"), epoch, revision: 2 })),
      );
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    });

    test("removes a peer that no kept message involves, and frees its name", async () => {
      const { store } = await openStore(technology);
      await store.peers.create(peer("api"));
      expect(await store.peers.remove(peer("api").peerId)).toBe(true);
      expect(await peersOf(store)).toEqual([]);
      await store.peers.create({ ...peer("other"), name: "api" });
    });

    test("keeps a peer that a kept message involves", async () => {
      const { store } = await openStore(technology);
      await store.peers.create({ ...peer("alice"), peerId: alice.peerId });
      await store.peers.create({ ...peer("bob"), peerId: bob.peerId });
      const { peerId, seq } = await sendFirst(store, draft());
      expect(await store.peers.remove(bob.peerId)).toBe(false);
      await store.queues.advance(peerId, seq, { state: ReceiptState.CONFIRMED });
      expect(await store.peers.remove(bob.peerId)).toBe(false);
      expect(await store.peers.remove(alice.peerId)).toBe(false);
      expect(await peersOf(store)).toHaveLength(2);
    });

    test("lists what is open in a queue, oldest first, and moves nothing", async () => {
      const { store } = await openStore(technology);
      await store.peers.create({ ...peer("bob"), peerId: bob.peerId });
      const seqs: bigint[] = [];
      for (let count = 0; count < 4; count++) seqs.push((await sendFirst(store, draft())).seq);
      await store.queues.advance(bob.peerId, seqs[1] ?? 0n, { state: ReceiptState.CONFIRMED });
      await store.queues.advance(bob.peerId, seqs[2] ?? 0n, { state: ReceiptState.PRESENTED });
      const open = [seqs[0], seqs[2], seqs[3]];
      expect(await store.queues.listOpen({ peerId: bob.peerId, limit: 10 })).toEqual(open);
      expect(await store.queues.listOpen({ peerId: bob.peerId, limit: 2 })).toEqual(
        open.slice(0, 2),
      );
      expect(await store.queues.listOpen({ peerId: "nobody", limit: 10 })).toEqual([]);
      expect((await store.queues.countWaiting([bob.peerId])).get(bob.peerId)).toBe(2);
    });

    test("forgets a peer without open mail, and keeps its history; else it keeps the peer", async () => {
      const { store } = await openStore(technology);
      await store.peers.create({ ...peer("bob"), peerId: bob.peerId });
      const { peerId, seq } = await sendFirst(store, draft());
      expect(await store.peers.forget(bob.peerId)).toBe(false);
      expect(await peersOf(store)).toHaveLength(1);
      await store.queues.advance(peerId, seq, {
        state: ReceiptState.DEAD_LETTERED,
        reason: "gone",
      });
      expect(await store.peers.forget(bob.peerId)).toBe(true);
      expect(await store.peers.forget(bob.peerId)).toBe(true);
      expect(await peersOf(store)).toEqual([]);
      expect((await store.history.getReceipt(peerId, seq))?.receipt).toMatchObject({
        reason: "gone",
      });
      await store.peers.create({ ...peer("other"), name: "bob" });
    });

    testReopened(technology, "peers outlive the store", async () => {
      const { store, reopen } = await openStore(technology);
      await store.peers.create(peer("api"));
      await store.peers.create(peer("web"));
      await store.peers.update({ ...peer("web"), lastSeenMs: 9, revision: 2 });
      const reopened = await reopen();
      const peers = (await peersOf(reopened)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
      expect(peers).toEqual([peer("api"), { ...peer("web"), lastSeenMs: 9, revision: 2 }]);
    });
  });
}

export function peer(name: string): StoredPeer {
  return {
    peerId: `${name}-id`,
    name,
    kind: PeerKind.AGENT,
    profile: create(ProfileSchema, { clientName: "claude-code", root: "/src/api", summary: "é" }),
    createTimeMs: 1_767_225_600_000,
    lastSeenMs: 1_767_225_600_001,
    secretHash: `${name}-hash`,
    baseName: name,
    number: 1,
    epoch: 3,
    instanceId: "instance",
    conversations: [{ id: "claude-code:1", boundAtMs: 1_767_225_600_002 }],
    formerNames: [],
    mutedUntilMs: 0,
    revision: 1,
  };
}
