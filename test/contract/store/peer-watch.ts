import { describe, expect, onTestFinished, test } from "vitest";
import type { PeerListener } from "../../../src/broker/store/peers.js";
import { eventually } from "../../support/test-broker.js";
import { peer } from "./peers.js";
import { machine, presence } from "./records.js";
import { openStore, type StoreTechnology } from "./technology.js";

/** Notes what it is told, in words. */
function notingListener(): { told: string[]; listener: PeerListener } {
  const told: string[] = [];
  const listener: PeerListener = {
    peer: ({ name, revision }) => void told.push(`${name} ${revision}`),
    peerRemoved: (peerId) => void told.push(`removed ${peerId}`),
    machine: ({ name, revision }) => void told.push(`machine ${name} ${revision}`),
    machineRemoved: (machineId) => void told.push(`removed machine ${machineId}`),
    presence: (peerId, presence) =>
      void told.push(`${peerId} ${presence === undefined ? "gone" : `at ${presence.epoch}`}`),
  };
  return { told, listener };
}

/** Ends a watch with its test. */
function endWatch(watch: Disposable): void {
  onTestFinished(() => watch[Symbol.dispose]());
}

export function definePeerWatchContract(technology: StoreTechnology): void {
  describe("a watch of records", () => {
    test("tells what is there before it resolves, and then each change", async () => {
      const { store } = await openStore(technology);
      await store.peers.create(peer("api"));
      await store.peers.putMachine(machine);
      const { told, listener } = notingListener();
      endWatch(await store.peers.watch(listener));
      expect([...new Set(told)].toSorted()).toEqual(["api 1", "machine desktop 1"]);
      told.length = 0;
      await store.peers.create(peer("web"));
      await store.peers.update({ ...peer("api"), revision: 2 });
      await store.peers.putMachine({ ...machine, revision: 2 });
      await store.peers.remove(peer("web").peerId);
      await store.peers.removeMachine(machine.machineId);
      const expected = [
        "web 1",
        "api 2",
        "machine desktop 2",
        `removed ${peer("web").peerId}`,
        "removed machine m1",
      ];
      await eventually(() => expect([...new Set(told)].toSorted()).toEqual(expected.toSorted()));
    });

    test("tells of one record nothing older after what is newer", async () => {
      const { store } = await openStore(technology);
      await store.peers.create(peer("api"));
      const { told, listener } = notingListener();
      endWatch(await store.peers.watch(listener));
      const updating = (async () => {
        for (let revision = 2; revision <= 30; revision++) {
          await store.peers.update({ ...peer("api"), revision });
        }
      })();
      const late = notingListener();
      endWatch(await store.peers.watch(late.listener));
      await updating;
      for (const one of [told, late.told]) {
        await eventually(() => expect(one.at(-1)).toBe("api 30"));
        const revisions = one.map((words) => Number(words.split(" ")[1]));
        expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
      }
    });

    test("has told of a taken name by the time that it is refused", async () => {
      const { store } = await openStore(technology);
      const { told, listener } = notingListener();
      endWatch(await store.peers.watch(listener));
      const taking = ["a", "b", "c"].map(async (id) => {
        const outcome = await store.peers.create({ ...peer(id), name: "api" }).catch(String);
        return outcome === undefined ? "made" : [...told];
      });
      const outcomes = await Promise.all(taking);
      expect(outcomes.filter((outcome) => outcome === "made")).toHaveLength(1);
      for (const known of outcomes) if (known !== "made") expect(known).toContain("api 1");
    });

    test("tells who has a session, also who watches later, until that is taken back", async () => {
      const { store } = await openStore(technology);
      const early = notingListener();
      endWatch(await store.peers.watch(early.listener));
      await store.peers.announce("p1", presence);
      await eventually(() => expect(early.told).toContain("p1 at 3"));
      const late = notingListener();
      endWatch(await store.peers.watch(late.listener));
      await eventually(() => expect(late.told).toContain("p1 at 3"));
      await store.peers.announce("p1", undefined);
      await eventually(() => expect(late.told.at(-1)).toBe("p1 gone"));
      await eventually(() => expect(early.told.at(-1)).toBe("p1 gone"));
    });

    test("tells nothing once it has ended", async () => {
      const { store } = await openStore(technology);
      const { told, listener } = notingListener();
      const watch = await store.peers.watch(listener);
      watch[Symbol.dispose]();
      await store.peers.create(peer("api"));
      await store.health();
      expect(told).toEqual([]);
    });
  });
}
