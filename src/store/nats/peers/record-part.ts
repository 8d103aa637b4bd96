import type { PeerStore, StoredPeer } from "../../../broker/store/peers.js";
import { StoreError } from "../../../broker/store/store.js";
import type { Clock } from "../../../clock.js";
import { MachineTable } from "../../machine-table.js";
import type { RecordChanges, Write } from "./record-changes.js";
import { encodeMachines, encodePeer, encodeRemoval } from "./record-form.js";
import type { RecordStream } from "./record-stream.js";
import type { RecordView } from "./record-view.js";

/** What the mail knows of a peer. Each may reject with a StoreError. */
export interface PeerMail {
  /** It holds open mail. */
  hasOpen(peerId: string): Promise<boolean>;
  /** It holds open mail, or sent or received a message that is still kept. */
  isInvolved(peerId: string): Promise<boolean>;
}

export interface RecordPartOptions {
  readonly records: RecordStream;
  readonly view: RecordView;
  readonly changes: RecordChanges;
  readonly clock: Clock;
  readonly mail: PeerMail;
}

/** The calls that change or read records. */
export function recordPart(options: RecordPartOptions): Omit<PeerStore, "watch" | "announce"> {
  const { records, view, changes, clock, mail } = options;

  const only = (subject: string): Write["expect"] => ({ lastSubjectSeq: view.seqOf(subject) });

  const putPeer = (peer: StoredPeer, isUnique: boolean): Write => {
    const subject = view.subjectOf(peer.peerId);
    return {
      subject,
      text: encodePeer(peer),
      expect: isUnique ? only(subject) : { lastSeq: records.seq },
      stored: (seq) => view.putPeer(peer, seq),
    };
  };

  const isOwnWork = (peer: StoredPeer): boolean => {
    const present = view.peers.get(peer.peerId);
    const text = encodePeer(peer);
    return (
      present !== undefined &&
      changes.mayHaveStored(view.subjectOf(peer.peerId), text) &&
      encodePeer(present) === text
    );
  };

  const removeUnless = async (
    peerId: string,
    isHeld: (peerId: string) => Promise<boolean>,
  ): Promise<boolean> => {
    let isRemoved = true;
    await changes.make(async () => {
      const isKnown = view.peers.get(peerId) !== undefined;
      const subject = view.subjectOf(peerId);
      // Whoever changes the peer while the mail is asked keeps it.
      const expect = only(subject);
      isRemoved = !(await isHeld(peerId));
      if (!isRemoved || !isKnown) return undefined;
      return {
        subject,
        text: encodeRemoval(peerId),
        expect,
        stored: (seq) => view.putRemoval(peerId, seq),
      };
    });
    return isRemoved;
  };

  /** Changes machines or tokens, all of which are one record. */
  const changeMachines = async <T>(change: (table: MachineTable) => T): Promise<T> => {
    let result: { readonly value: T } | undefined;
    await changes.makeInTurn(() => {
      const records = view.machines;
      if (records === undefined) throw unreadable(view);
      const before = encodeMachines(records);
      const table = new MachineTable(records);
      result = { value: change(table) };
      const next = table.records;
      const text = encodeMachines(next);
      if (text === before) return undefined;
      return {
        subject: view.machinesSubject,
        text,
        expect: only(view.machinesSubject),
        stored: (seq) => view.putMachines(next, seq),
      };
    });
    if (result === undefined) throw new Error("a change that was never asked for");
    return result.value;
  };

  return {
    create: (peer) =>
      changes.makeInTurn(() => (view.peers.checkCreation(peer) ? putPeer(peer, false) : undefined)),

    async update(peer) {
      const decide = (): Write | undefined => {
        if (isOwnWork(peer)) return undefined;
        const present = view.peers.checkUpdate(peer);
        return putPeer(peer, staysUnique(present, peer));
      };
      const isAlone = !staysUnique(view.peers.get(peer.peerId), peer);
      await (isAlone ? changes.makeInTurn(decide) : changes.make(decide));
    },

    remove: (peerId) => removeUnless(peerId, (id) => mail.isInvolved(id)),
    forget: (peerId) => removeUnless(peerId, (id) => mail.hasOpen(id)),

    putMachine: (machine) => changeMachines((table) => table.put(machine)),
    removeMachine: (machineId) => changeMachines((table) => table.remove(machineId)),
    createEnrolment: (enrolment, maximum) =>
      changeMachines((table) => table.createEnrolment(enrolment, maximum, clock.now())),
    listEnrolments: () => changeMachines((table) => table.listEnrolments(clock.now())),
    revokeEnrolments: () => changeMachines((table) => table.revokeEnrolments(clock.now())),
    enrol: (tokenHash, newcomer) =>
      changeMachines((table) => table.enrol(tokenHash, newcomer, clock.now())),
  };
}

/** It keeps the name and the secret that it had. */
function staysUnique(present: StoredPeer | undefined, peer: StoredPeer): boolean {
  return present?.name === peer.name && present.secretHash === peer.secretHash;
}

function unreadable(view: RecordView): StoreError {
  return new StoreError(
    "DATA_LOSS",
    `The record of all machines (${view.machinesSubject}) cannot be read. Restore the stream from a backup, or delete the message: all machines then have to join again.`,
  );
}
