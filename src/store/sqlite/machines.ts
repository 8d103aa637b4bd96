import type { EnrolmentUse, StoredEnrolment } from "../../broker/store/peers.js";
import { StoreError } from "../../broker/store/store.js";
import { enrolmentMemoryMs } from "../limits.js";
import { isIntact } from "./damage/checksums.js";
import type { MachineRow, Operations } from "./operations.js";
import {
  machineSelect,
  type ReadMachine,
  readInteger,
  type Statement,
  type Statements,
} from "./statements.js";
import { machineTable } from "./tables.js";

type MachineOperations = Pick<
  Operations,
  | "loadMachines"
  | "putMachine"
  | "removeMachine"
  | "createEnrolment"
  | "listEnrolments"
  | "revokeEnrolments"
  | "enrol"
>;

/** @param tell hears of each machine that is found damaged. */
export function machineOperations(
  statements: Statements,
  tell: (words: string) => void,
): MachineOperations {
  const listMachines = statements.prepare<ReadMachine>(machineSelect);
  const getMachine = machineById(statements);
  const rival = statements.prepare<{ hasName: number }>(
    `SELECT name = :name AS hasName FROM machine
    WHERE machine_id <> :machineId AND (name = :name OR credential_hash = :credentialHash)`,
  );
  const ofCredential = statements.prepare<ReadMachine>(
    `${machineSelect} WHERE c.credential_hash = :credentialHash AND c.revoke_time_ms = 0`,
  );
  const deleteRevoked = statements.prepare(
    `DELETE FROM machine
    WHERE name = :name AND revoke_time_ms <> 0 AND credential_hash <> :credentialHash`,
  );
  const insert = statements.insertInto(machineTable);
  const deleteMachine = machineDeletion(statements);
  const deleteMachineAt = statements.prepare("DELETE FROM machine WHERE rowid = :place");

  const forgetEnrolments = statements.prepare(
    "DELETE FROM enrolment WHERE expire_time_ms < :beforeMs",
  );
  const countEnrolments = statements.prepare<{ count: number }>(
    "SELECT count(*) AS count FROM enrolment",
  );
  const replaceEnrolment = enrolmentInsertion(statements, "OR REPLACE");
  const enrolmentOf = statements.prepare<Omit<StoredEnrolment, "tokenHash">>(
    `SELECT ${enrolmentColumns} FROM enrolment WHERE token_hash = :tokenHash`,
  );
  const openEnrolments = statements.prepare<StoredEnrolment>(
    `SELECT token_hash AS tokenHash, ${enrolmentColumns} FROM enrolment
    WHERE uses_left > 0 AND expire_time_ms > :nowMs ORDER BY expire_time_ms, token_hash`,
  );
  const deleteUnused = statements.prepare("DELETE FROM enrolment WHERE uses_left > 0");
  const takeUse = statements.prepare(
    "UPDATE enrolment SET uses_left = uses_left - 1 WHERE token_hash = :tokenHash",
  );

  return {
    loadMachines: () => listMachines.all().flatMap((found) => load(found) ?? []),

    putMachine,

    removeMachine: (machineId) => deleteMachine.run({ machineId }),

    createEnrolment({ tokenHash, scope, usesLeft, expireTimeMs }, maximum, nowMs) {
      forgetEnrolments.run({ beforeMs: nowMs - enrolmentMemoryMs });
      if ((countEnrolments.one()?.count ?? 0) >= maximum) return false;
      replaceEnrolment.run({ tokenHash, scope, usesLeft, expireTimeMs });
      return true;
    },

    listEnrolments: (nowMs) => openEnrolments.all({ nowMs }),

    // Also those whose time is over: it would not be, were the clock set back.
    revokeEnrolments(nowMs) {
      const open = openEnrolments.all({ nowMs }).length;
      deleteUnused.run({});
      return open;
    },

    enrol(tokenHash, newcomer, nowMs): EnrolmentUse {
      const { name, credentialHash } = newcomer;
      const known = ofCredential.one({ credentialHash });
      if (known !== undefined && isIntact(machineTable, known))
        return { state: "taken", machine: toMachineRow(known) };
      const found = enrolmentOf.one({ tokenHash });
      if (found === undefined) return { state: "unknown" };
      if (found.usesLeft < 1) return { state: "used" };
      if (found.expireTimeMs <= nowMs) return { state: "expired" };
      const machine = { ...newcomer, scope: found.scope, revokeTimeMs: 0, revision: 1 };
      deleteRevoked.run({ name, credentialHash });
      putMachine(machine);
      takeUse.run({ tokenHash });
      return { state: "taken", machine };
    },
  };

  function putMachine(machine: MachineRow): void {
    const { machineId, name, credentialHash, revision } = machine;
    const present = getMachine.one({ machineId });
    if (present !== undefined && isSame(toMachineRow(present), machine)) return;
    const before = present?.revision ?? 0;
    if (before !== revision - 1) {
      throw new StoreError("CONFLICT", `The machine is at revision ${before}.`);
    }
    const other = rival.one({ machineId, name, credentialHash });
    if (other !== undefined) {
      throw other.hasName === 1
        ? new StoreError("NAME_TAKEN", `Another machine has the name ${name}.`)
        : new StoreError("SECRET_TAKEN", "Another machine has this credential.");
    }
    deleteMachine.run({ machineId });
    insert(machine);
  }

  /** A machine as it was written. A damaged one is let in no more: it enrols again. */
  function load(found: ReadMachine): MachineRow | undefined {
    if (isIntact(machineTable, found)) return toMachineRow(found);
    deleteMachineAt.run({ place: found.place });
    tell("The record of a machine that was let in is damaged; it has to join again.");
    return undefined;
  }
}

export function enrolmentInsertion(
  statements: Statements,
  or: "OR REPLACE" | "" = "",
): Statement<never> {
  return statements.prepare(
    `INSERT ${or} INTO enrolment VALUES (:tokenHash, :scope, :usesLeft, :expireTimeMs)`,
  );
}

export const enrolmentColumns = `${readInteger("scope")} AS scope, ${readInteger("uses_left")} AS usesLeft,
  ${readInteger("expire_time_ms")} AS expireTimeMs`;

export function machineById(statements: Statements): Statement<ReadMachine> {
  return statements.prepare(`${machineSelect} WHERE c.machine_id = :machineId`);
}

export function machineDeletion(statements: Statements): Statement<never> {
  return statements.prepare("DELETE FROM machine WHERE machine_id = :machineId");
}

function toMachineRow({ place: _place, checksum: _checksum, ...row }: ReadMachine): MachineRow {
  return row;
}

function isSame(present: MachineRow, given: MachineRow): boolean {
  return Object.entries(present).every(
    ([field, value]) => given[field as keyof MachineRow] === value,
  );
}
