import { describe, expect, test } from "vitest";
import { MachineScope } from "../../../gen/peerline/v1/machine_pb.js";
import type {
  EnrolmentUse,
  StoredMachine,
  StoredNewcomer,
} from "../../../src/broker/store/peers.js";
import type { Store } from "../../../src/broker/store/store.js";
import { openStore, type StoreTechnology, testReopened } from "./technology.js";
import { machinesOf } from "./records.js";

export function defineMachineContract(technology: StoreTechnology): void {
  describe("machines", () => {
    test("are loaded as they were put", async () => {
      const { store } = await openStore(technology);
      await store.peers.putMachine(machine("desktop"));
      const revoked = { ...machine("desktop"), revokeTimeMs: 17, revision: 2 };
      await store.peers.putMachine(revoked);
      expect(await machinesOf(store)).toEqual([revoked]);
    });

    test("are replaced in the order of their revisions, and a repeat changes nothing", async () => {
      const { store } = await openStore(technology);
      await store.peers.putMachine(machine("desktop"));
      await store.peers.putMachine(machine("desktop"));
      for (const revision of [1, 3]) {
        const put = store.peers.putMachine({ ...machine("desktop"), lastUseMs: 99, revision });
        await expect(put).rejects.toMatchObject({ code: "CONFLICT" });
      }
      const late = store.peers.putMachine({ ...machine("laptop"), revision: 2 });
      await expect(late).rejects.toMatchObject({ code: "CONFLICT" });
      expect(await machinesOf(store)).toEqual([machine("desktop")]);
    });

    test("have a name and a credential of their own", async () => {
      const { store } = await openStore(technology);
      await store.peers.putMachine(machine("desktop"));
      const sameName = store.peers.putMachine({ ...machine("laptop"), name: "desktop" });
      await expect(sameName).rejects.toMatchObject({ code: "NAME_TAKEN" });
      const { credentialHash } = machine("desktop");
      const sameCredential = store.peers.putMachine({ ...machine("laptop"), credentialHash });
      await expect(sameCredential).rejects.toMatchObject({ code: "SECRET_TAKEN" });
      await store.peers.removeMachine(machine("desktop").machineId);
      await store.peers.removeMachine(machine("desktop").machineId);
      await store.peers.putMachine({ ...machine("laptop"), name: "desktop" });
      expect(await machinesOf(store)).toHaveLength(1);
    });

    test("enrol as often as the token allows, however many come at once", async () => {
      const { store, clock } = await openStore(technology);
      const scope = MachineScope.OBSERVE;
      const expireTimeMs = clock.now() + 1000;
      const token = { tokenHash: "ab", scope, usesLeft: 2, expireTimeMs };
      expect(await store.peers.createEnrolment(token, 8)).toBe(true);
      const names = ["one", "two", "three", "four", "five"];
      const uses = await Promise.all(names.map((name) => enrol(store, "ab", name)));
      const letIn = names.slice(0, 2).map((name) => ({ ...machine(name), scope }));
      expect(uses).toEqual([
        ...letIn.map((one) => ({ state: "taken", machine: one })),
        ...names.slice(2).map(() => ({ state: "used" })),
      ]);
      expect(await enrol(store, "cd")).toEqual({ state: "unknown" });
      expect(new Set(await machinesOf(store))).toEqual(new Set(letIn));
    });

    test("take a use of the token exactly when they are let in, and a repeat takes none", async () => {
      const { store, clock } = await openStore(technology);
      const expireTimeMs = clock.now() + 1000;
      const token = { tokenHash: "ab", scope: MachineScope.OPERATE, usesLeft: 2, expireTimeMs };
      await store.peers.createEnrolment(token, 8);
      await store.peers.putMachine(machine("taken"));
      const refused = store.peers.enrol("ab", { ...newcomer("desktop"), name: "taken" });
      await expect(refused).rejects.toMatchObject({ code: "NAME_TAKEN" });
      expect(await store.peers.listEnrolments()).toEqual([token]);

      const first = await enrol(store, "ab", "desktop");
      expect(first).toEqual({ state: "taken", machine: machine("desktop") });
      const { credentialHash } = machine("desktop");
      expect(await store.peers.enrol("ab", { ...newcomer("again"), credentialHash })).toEqual(
        first,
      );
      expect(await store.peers.listEnrolments()).toEqual([{ ...token, usesLeft: 1 }]);
      expect(await machinesOf(store)).toHaveLength(2);
    });

    test("get the name of a revoked one, which is forgotten then, and never its credential", async () => {
      const { store, clock } = await openStore(technology);
      const expireTimeMs = clock.now() + 1000;
      const token = { tokenHash: "ab", scope: MachineScope.OPERATE, usesLeft: 2, expireTimeMs };
      await store.peers.createEnrolment(token, 8);
      const revoked = { ...machine("desktop"), revokeTimeMs: 17 };
      await store.peers.putMachine(revoked);
      expect(await enrol(store, "cd", "desktop")).toEqual({ state: "unknown" });
      const { credentialHash } = revoked;
      const refused = store.peers.enrol("ab", { ...newcomer("laptop"), credentialHash });
      await expect(refused).rejects.toMatchObject({ code: "SECRET_TAKEN" });
      expect(await machinesOf(store)).toEqual([revoked]);
      const next = { ...newcomer("laptop"), name: "desktop" };
      expect(await store.peers.enrol("ab", next)).toMatchObject({ state: "taken" });
      expect(await machinesOf(store)).toEqual([{ ...machine("laptop"), name: "desktop" }]);
      expect(await store.peers.listEnrolments()).toEqual([{ ...token, usesLeft: 1 }]);
    });

    test("do not enrol when the token's time is over", async () => {
      const { store, clock } = await openStore(technology);
      const expireTimeMs = clock.now() - 1;
      const token = { tokenHash: "ab", scope: MachineScope.AGENT, usesLeft: 1, expireTimeMs };
      await store.peers.createEnrolment(token, 8);
      expect(await enrol(store, "ab")).toEqual({ state: "expired" });
      expect(await machinesOf(store)).toEqual([]);
    });

    test("have a bounded number of tokens, without those whose time was over long ago", async () => {
      const { store, clock } = await openStore(technology);
      const scope = MachineScope.AGENT;
      const token = (tokenHash: string, expireTimeMs: number) => ({
        tokenHash,
        scope,
        usesLeft: 1,
        expireTimeMs,
      });
      const dayMs = 24 * 60 * 60 * 1000;
      expect(await store.peers.createEnrolment(token("old", clock.now() - dayMs - 1), 1)).toBe(
        true,
      );
      expect(await store.peers.createEnrolment(token("new", clock.now() + 1000), 1)).toBe(true);
      expect(await store.peers.createEnrolment(token("more", clock.now() + 1000), 1)).toBe(false);
      expect(await enrol(store, "old")).toEqual({ state: "unknown" });
      expect(await enrol(store, "more")).toEqual({ state: "unknown" });
    });

    test("are told who may still enrol, the first to end first, without what was used or has ended", async () => {
      const { store, clock } = await openStore(technology);
      const token = (tokenHash: string, endInMs: number, usesLeft = 1) => ({
        tokenHash,
        scope: MachineScope.AGENT,
        usesLeft,
        expireTimeMs: clock.now() + endInMs,
      });
      const [late, soon] = [token("ab", 2000, 3), token("cd", 1000)];
      for (const one of [late, soon, token("ef", -1), token("01", 500)]) {
        await store.peers.createEnrolment(one, 8);
      }
      await enrol(store, "ab", "one");
      await enrol(store, "01", "two");
      expect(await store.peers.listEnrolments()).toEqual([soon, { ...late, usesLeft: 2 }]);
    });

    test("enrol no more with tokens that were revoked, however much of them was used", async () => {
      const { store, clock } = await openStore(technology);
      const token = (tokenHash: string, usesLeft: number, endInMs = 1000) => ({
        tokenHash,
        scope: MachineScope.AGENT,
        usesLeft,
        expireTimeMs: clock.now() + endInMs,
      });
      const tokens = [token("ab", 1), token("cd", 3), token("ef", 0), token("01", 1, -1)];
      for (const one of tokens) await store.peers.createEnrolment(one, 8);
      expect(await store.peers.revokeEnrolments()).toBe(2);
      expect(await store.peers.listEnrolments()).toEqual([]);
      expect(await store.peers.revokeEnrolments()).toBe(0);
      for (const { tokenHash, usesLeft } of tokens) {
        const state = usesLeft > 0 ? "unknown" : "used";
        expect(await enrol(store, tokenHash)).toEqual({ state });
      }
      expect(await store.peers.createEnrolment(token("23", 1), 8)).toBe(true);
      expect(await store.peers.listEnrolments()).toHaveLength(1);
    });

    testReopened(technology, "and their tokens outlive the store", async () => {
      const { store, clock, reopen } = await openStore(technology);
      await store.peers.putMachine(machine("desktop"));
      const expireTimeMs = clock.now() + 60_000;
      const token = { tokenHash: "ab", scope: MachineScope.AGENT, usesLeft: 1, expireTimeMs };
      await store.peers.createEnrolment(token, 8);
      const reopened = await reopen();
      expect(await machinesOf(reopened)).toEqual([machine("desktop")]);
      expect(await enrol(reopened, "ab", "laptop")).toMatchObject({ state: "taken" });
    });
  });
}

function enrol(store: Store, tokenHash: string, name = "newcomer"): Promise<EnrolmentUse> {
  return store.peers.enrol(tokenHash, newcomer(name));
}

function newcomer(name: string): StoredNewcomer {
  const {
    scope: _scope,
    revokeTimeMs: _revokeTimeMs,
    revision: _revision,
    ...rest
  } = machine(name);
  return rest;
}

function machine(name: string): StoredMachine {
  return {
    machineId: `id of ${name}`,
    name,
    scope: MachineScope.OPERATE,
    credentialHash: `hash of ${name}`,
    createTimeMs: 1_767_225_600_000,
    lastUseMs: 1_767_225_600_001,
    lastUseAddress: "192.0.2.7",
    revokeTimeMs: 0,
    revision: 1,
  };
}
