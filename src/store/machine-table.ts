import type {
  EnrolmentUse,
  StoredEnrolment,
  StoredMachine,
  StoredNewcomer,
} from "../broker/store/peers.js";
import { StoreError } from "../broker/store/store.js";
import { enrolmentMemoryMs } from "./limits.js";

/** What a machine table holds, to be kept elsewhere. */
export interface MachineRecords {
  readonly machines: readonly StoredMachine[];
  readonly enrolments: readonly StoredEnrolment[];
}

/** Machines by id, with unique names and credentials, and the tokens with which they enrol. */
export class MachineTable {
  readonly #machines: Map<string, StoredMachine>;
  readonly #enrolments: Map<string, StoredEnrolment>;

  constructor({ machines, enrolments }: MachineRecords = { machines: [], enrolments: [] }) {
    this.#machines = new Map(machines.map((machine) => [machine.machineId, inOrder(machine)]));
    this.#enrolments = new Map(enrolments.map((enrolment) => [enrolment.tokenHash, enrolment]));
  }

  get records(): MachineRecords {
    return { machines: this.list(), enrolments: [...this.#enrolments.values()] };
  }

  list(): StoredMachine[] {
    return [...this.#machines.values()];
  }

  /** Every token, by its hash. */
  enrolments(): StoredEnrolment[] {
    return [...this.#enrolments.values()].toSorted((a, b) => (a.tokenHash < b.tokenHash ? -1 : 1));
  }

  put(given: StoredMachine): void {
    const machine = inOrder(given);
    const present = this.#machines.get(machine.machineId);
    if (JSON.stringify(present) === JSON.stringify(machine)) return;
    const before = present?.revision ?? 0;
    if (before !== machine.revision - 1) {
      throw new StoreError("CONFLICT", `The machine is at revision ${before}.`);
    }
    this.add(machine);
  }

  /** Whatever its revision. */
  add(machine: StoredMachine): void {
    for (const other of this.#machines.values()) {
      if (other.machineId === machine.machineId) continue;
      if (other.name === machine.name) {
        throw new StoreError("NAME_TAKEN", `Another machine has the name ${machine.name}.`);
      }
      if (other.credentialHash === machine.credentialHash) {
        throw new StoreError("SECRET_TAKEN", "Another machine has this credential.");
      }
    }
    this.#machines.set(machine.machineId, machine);
  }

  addEnrolment(enrolment: StoredEnrolment): void {
    this.#enrolments.set(enrolment.tokenHash, enrolment);
  }

  remove(machineId: string): void {
    this.#machines.delete(machineId);
  }

  createEnrolment(enrolment: StoredEnrolment, maximum: number, nowMs: number): boolean {
    for (const { tokenHash, expireTimeMs } of this.#enrolments.values()) {
      if (expireTimeMs < nowMs - enrolmentMemoryMs) this.#enrolments.delete(tokenHash);
    }
    if (this.#enrolments.has(enrolment.tokenHash)) return true;
    if (this.#enrolments.size >= maximum) return false;
    this.addEnrolment(enrolment);
    return true;
  }

  listEnrolments(nowMs: number): StoredEnrolment[] {
    return [...this.#enrolments.values()]
      .filter(({ usesLeft, expireTimeMs }) => usesLeft > 0 && expireTimeMs > nowMs)
      .toSorted((a, b) => a.expireTimeMs - b.expireTimeMs || (a.tokenHash < b.tokenHash ? -1 : 1));
  }

  revokeEnrolments(nowMs: number): number {
    const open = this.listEnrolments(nowMs).length;
    for (const { tokenHash, usesLeft } of this.#enrolments.values()) {
      if (usesLeft > 0) this.#enrolments.delete(tokenHash);
    }
    return open;
  }

  enrol(tokenHash: string, newcomer: StoredNewcomer, nowMs: number): EnrolmentUse {
    const { name, credentialHash } = newcomer;
    const machines = this.list();
    const known = machines.find((one) => one.credentialHash === credentialHash);
    if (known?.revokeTimeMs === 0) return { state: "taken", machine: known };
    const found = this.#enrolments.get(tokenHash);
    if (found === undefined) return { state: "unknown" };
    if (found.usesLeft < 1) return { state: "used" };
    if (found.expireTimeMs <= nowMs) return { state: "expired" };
    const machine = { ...newcomer, scope: found.scope, revokeTimeMs: 0, revision: 1 };
    const namesake = machines.find((one) => one.name === name);
    const makesRoom = namesake !== undefined && namesake.revokeTimeMs !== 0 && namesake !== known;
    if (makesRoom) this.remove(namesake.machineId);
    try {
      this.put(machine);
    } catch (error) {
      if (makesRoom) this.#machines.set(namesake.machineId, namesake);
      throw error;
    }
    this.#enrolments.set(tokenHash, { ...found, usesLeft: found.usesLeft - 1 });
    return { state: "taken", machine };
  }
}

/** The same, so that two that are equal are written alike. */
function inOrder(machine: StoredMachine): StoredMachine {
  return {
    machineId: machine.machineId,
    name: machine.name,
    scope: machine.scope,
    credentialHash: machine.credentialHash,
    createTimeMs: machine.createTimeMs,
    lastUseMs: machine.lastUseMs,
    lastUseAddress: machine.lastUseAddress,
    revokeTimeMs: machine.revokeTimeMs,
    revision: machine.revision,
  };
}
