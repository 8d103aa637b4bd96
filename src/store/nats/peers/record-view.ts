import type { PeerListener, StoredPeer } from "../../../broker/store/peers.js";
import type { Clock } from "../../../clock.js";
import { visibleLine } from "../../../contract/peer-text.js";
import { MachineTable, type MachineRecords } from "../../machine-table.js";
import { PeerTable } from "../../peer-table.js";
import type { Watchers } from "../../watchers.js";
import { maxDamagesKnown } from "../limits.js";
import { toToken } from "../subjects.js";
import { decodeMachines, decodePeer } from "./record-form.js";
import type { KeptMessage, RecordListener } from "./record-stream.js";

export interface RecordViewOptions {
  /** Of the stream's subjects, without the last dot. */
  readonly prefix: string;
  readonly watchers: Watchers<PeerListener>;
  readonly clock: Clock;
  /** Hears of each record that cannot be read, once. */
  readonly tell: (words: string) => void;
}

/** A removed peer's mark in the stream. */
export interface RemovalMark {
  readonly subject: string;
  readonly seq: number;
  /** When this process saw it, by the monotonic clock. */
  readonly seenMs: number;
}

/**
 * The records as the stream has them, as far as it was read, and what this process wrote. Each subject is as its
 * greatest sequence says, so what comes again, or late, changes nothing. Those who watch are told of each change.
 */
export class RecordView implements RecordListener {
  readonly peers = new PeerTable();
  readonly machinesSubject: string;
  readonly #options: RecordViewOptions;
  /** The sequence of the last message of each subject. */
  readonly #seqs = new Map<string, number>();
  readonly #removals = new Map<string, RemovalMark>();
  readonly #damaged = new Set<number>();
  #machines = new MachineTable();
  #isMachinesDamaged = false;
  /** While everything is read again: the subjects that were not told yet, with their peer. */
  #missing: Map<string, string | undefined> | undefined;

  constructor(options: RecordViewOptions) {
    this.#options = options;
    this.machinesSubject = `${options.prefix}.machines`;
  }

  subjectOf(peerId: string): string {
    return `${this.#options.prefix}.peer.${toToken(peerId)}`;
  }

  /** 0 where nothing stands there. */
  seqOf(subject: string): number {
    return this.#seqs.get(subject) ?? 0;
  }

  get removals(): readonly RemovalMark[] {
    return [...this.#removals.values()];
  }

  get size(): number {
    return this.#seqs.size - this.#removals.size;
  }

  /** Undefined where they cannot be read. */
  get machines(): MachineRecords | undefined {
    return this.#isMachinesDamaged ? undefined : this.#machines.records;
  }

  tellAll(listener: PeerListener): void {
    for (const peer of this.peers.list()) listener.peer(peer);
    for (const machine of this.#machines.list()) listener.machine(machine);
  }

  kept({ subject, seq, data }: KeptMessage): void {
    this.#missing?.delete(subject);
    if (seq <= this.seqOf(subject)) return;
    if (subject === this.machinesSubject) {
      const records = decodeMachines(data);
      if (records !== undefined) return this.putMachines(records, seq);
      this.#isMachinesDamaged = true;
    } else {
      const record = decodePeer(data);
      if (record !== undefined && this.subjectOf(record.peerId) === subject) {
        if (record.peer === undefined) this.putRemoval(record.peerId, seq);
        else this.putPeer(record.peer, seq);
        return;
      }
    }
    // An update takes its place.
    this.#seqs.set(subject, seq);
    if (this.#damaged.has(seq) || this.#damaged.size >= maxDamagesKnown) return;
    this.#damaged.add(seq);
    this.#options.tell(
      `the record ${visibleLine(subject).slice(0, 200)} of JetStream cannot be read (sequence ${seq}); it was left out`,
    );
  }

  restarted(): void {
    this.#missing = new Map([...this.#seqs.keys()].map((subject) => [subject, undefined]));
    for (const { peerId } of this.peers.list()) this.#missing.set(this.subjectOf(peerId), peerId);
    this.#seqs.clear();
    this.#removals.clear();
  }

  complete(): void {
    const missing = this.#missing ?? new Map<string, string | undefined>();
    this.#missing = undefined;
    for (const [subject, peerId] of missing) {
      if (peerId !== undefined) this.#forget(peerId);
      if (subject === this.machinesSubject) this.#setMachines(new MachineTable());
    }
  }

  putPeer(peer: StoredPeer, seq: number): void {
    if (!this.#isNews(this.subjectOf(peer.peerId), seq)) return;
    this.#removals.delete(peer.peerId);
    this.peers.put(peer);
    this.#options.watchers.tell((listener) => listener.peer(peer));
  }

  putRemoval(peerId: string, seq: number): void {
    const subject = this.subjectOf(peerId);
    if (!this.#isNews(subject, seq)) return;
    this.#removals.set(peerId, { subject, seq, seenMs: this.#options.clock.monotonic() });
    this.#forget(peerId);
  }

  putMachines(records: MachineRecords, seq: number): void {
    if (this.#isNews(this.machinesSubject, seq)) this.#setMachines(new MachineTable(records));
  }

  /** Its message is deleted. */
  forgetRemoval({ subject, seq }: RemovalMark): void {
    if (this.seqOf(subject) !== seq) return;
    this.#seqs.delete(subject);
    for (const [peerId, mark] of this.#removals) {
      if (mark.subject === subject) this.#removals.delete(peerId);
    }
  }

  #isNews(subject: string, seq: number): boolean {
    this.#missing?.delete(subject);
    if (seq <= this.seqOf(subject)) return false;
    this.#seqs.set(subject, seq);
    return true;
  }

  #forget(peerId: string): void {
    if (!this.peers.remove(peerId)) return;
    this.#options.watchers.tell((listener) => listener.peerRemoved(peerId));
  }

  #setMachines(next: MachineTable): void {
    const before = new Map(this.#machines.list().map((machine) => [machine.machineId, machine]));
    const now = next.list();
    this.#machines = next;
    this.#isMachinesDamaged = false;
    const { watchers } = this.#options;
    const [ids, names] = [
      new Set(now.map(({ machineId }) => machineId)),
      new Set(now.map(({ name }) => name)),
    ];
    for (const { machineId, name } of before.values()) {
      // Whoever takes the name of one that was revoked tells of its end.
      if (ids.has(machineId) || names.has(name)) continue;
      watchers.tell((listener) => listener.machineRemoved(machineId));
    }
    for (const machine of now) {
      const former = before.get(machine.machineId);
      if (JSON.stringify(former) === JSON.stringify(machine)) continue;
      watchers.tell((listener) => listener.machine(machine));
    }
  }
}
