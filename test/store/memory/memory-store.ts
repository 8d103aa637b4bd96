import { StoreError, type Store, type StoredPeer } from "../../../src/broker/store.js";
import type { Clock } from "../../../src/clock.js";
import { describeLimits, storeLimits, type StoreLimits } from "../../../src/store/limits.js";
import { QueueReaders } from "../../../src/store/queue-readers.js";
import { isOpen } from "../../../src/store/stored-message.js";
import { findMessages, listMessages } from "./history.js";
import { MachineTable } from "./machine-table.js";
import { MessageTable } from "./message-table.js";
import { lease, openMail } from "./queue.js";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Default of each: that of `storeLimits`. */
  readonly limits?: Partial<StoreLimits>;
}

/** A store that ends with its process. It is the plainest form of the contract. */
export function openMemoryStore({ clock, limits: given }: MemoryStoreOptions): Store {
  const limits = { ...storeLimits, ...given };
  const peers = new PeerTable();
  const machines = new MachineTable();
  const messages = new MessageTable(limits);
  const readers = new QueueReaders(
    openMail((peerId) => messages.queue(peerId), clock),
    clock,
  );
  let isClosed = false;

  const assertOpen = (): void => {
    if (isClosed) throw new StoreError("UNAVAILABLE", "The store is closed.");
  };
  /** Does it at once; what it throws rejects the promise. */
  const perform = async <T>(deed: () => T): Promise<Awaited<T>> => {
    assertOpen();
    return await deed();
  };
  const removeIf = (isFree: boolean, peerId: string): boolean => {
    if (isFree) peers.remove(peerId);
    return isFree;
  };

  return {
    info: {
      technology: "memory",
      durability: "memory",
      dedupeWindowMs: limits.retentionMs,
      limits: describeLimits(limits),
    },

    health: async () => ({
      writable: !isClosed,
      problem: isClosed ? "The store is closed." : "",
      bytes: messages.bytes,
      freeBytes: 0,
      damagedMessages: 0,
      damages: [],
    }),

    loadPeers: () => perform(() => peers.list()),
    createPeer: (peer) => perform(() => peers.create(peer)),
    updatePeer: (peer) => perform(() => peers.update(peer)),
    removePeer: (peerId) => perform(() => removeIf(messages.removePeer(peerId), peerId)),
    forgetPeer: (peerId) => perform(() => removeIf(messages.forgetQueue(peerId), peerId)),

    loadMachines: () => perform(() => machines.list()),
    putMachine: (machine) => perform(() => machines.put(machine)),
    removeMachine: (machineId) => perform(() => machines.remove(machineId)),
    createEnrolment: (enrolment, maximum) =>
      perform(() => machines.createEnrolment(enrolment, maximum, clock.now())),
    listEnrolments: () => perform(() => machines.listEnrolments(clock.now())),
    revokeEnrolments: () => perform(() => machines.revokeEnrolments(clock.now())),
    enrol: (tokenHash, newcomer) => perform(() => machines.enrol(tokenHash, newcomer, clock.now())),

    listOpen: ({ peerId, limit }) =>
      perform(() => {
        const open = [...messages.queue(peerId).from([], 0)];
        return open.slice(0, limit).map(({ receipt }) => BigInt(receipt.seq));
      }),

    enqueue: (draft, recipients) =>
      perform(() => {
        const results = messages.enqueue(draft, recipients, clock.now());
        recipients.forEach(({ peerId }, index) => {
          const result = results[index];
          if (result?.ok !== true || result.duplicate) return;
          const delivery = messages.delivery(peerId, Number(result.receipt.seq));
          if (delivery === undefined) return;
          const claim = readers.claim(peerId, delivery.entry.sizeBytes);
          if (claim === undefined) readers.wake(peerId);
          else claim.handOut(lease(delivery, clock.now()));
        });
        return results;
      }),

    openQueue(peerId, listener) {
      assertOpen();
      return readers.open(peerId, listener);
    },

    countWaiting: (peerIds) =>
      perform(
        () => new Map(peerIds.map((peerId) => [peerId, messages.queue(peerId).waiting.length])),
      ),

    advance: (peerId, seq, change) =>
      perform(() => {
        const advanced = messages.advance(peerId, Number(seq), change, clock.now());
        if (!isOpen(advanced.receipt.state)) readers.withdraw([advanced.receipt]);
        return advanced;
      }),

    redrive: (peerId, seq) =>
      perform(async () => {
        const offer = readers.reopening(peerId);
        const redriven = messages.redrive(peerId, Number(seq));
        await offer(Number(seq));
        return redriven;
      }),

    drop: (peerId, seq) => perform(() => messages.drop(peerId, Number(seq))),
    purge: ({ from, waiting }) =>
      perform(() => {
        const removed = messages.purge(from, waiting);
        readers.withdraw(removed.map(({ receipt }) => receipt));
        return { removed, next: undefined };
      }),
    listExpired: (query) => perform(() => messages.listExpired(query, clock.now())),
    nextExpiryMs: () => perform(() => messages.expiries()[0]?.expireTimeMs),
    getReceipt: (peerId, seq) => perform(() => messages.getReceipt(peerId, Number(seq))),
    findMessages: (query) => perform(() => findMessages(messages, query)),
    listMessages: (query) => perform(() => listMessages(messages, query)),

    async [Symbol.asyncDispose]() {
      isClosed = true;
      readers.close();
    },
  };
}

/** Peers by id, with unique names and secrets. */
export class PeerTable {
  readonly #peers = new Map<string, StoredPeer>();

  list(): StoredPeer[] {
    return [...this.#peers.values()];
  }

  create(peer: StoredPeer): void {
    const present = this.#peers.get(peer.peerId);
    if (present !== undefined) return assertRepeated(present, peer);
    this.#assertUnique(peer);
    this.#peers.set(peer.peerId, peer);
  }

  update(peer: StoredPeer): void {
    const present = this.#peers.get(peer.peerId);
    if (present === undefined) {
      throw new StoreError("NOT_FOUND", `There is no peer ${peer.peerId}.`);
    }
    if (present.revision !== peer.revision - 1) {
      throw new StoreError("CONFLICT", `The peer is at revision ${present.revision}.`);
    }
    this.#assertUnique(peer);
    this.#peers.set(peer.peerId, peer);
  }

  remove(peerId: string): void {
    this.#peers.delete(peerId);
  }

  #assertUnique(peer: StoredPeer): void {
    for (const other of this.#peers.values()) {
      if (other.peerId === peer.peerId) continue;
      if (other.name === peer.name) {
        throw new StoreError("NAME_TAKEN", `Another peer has the name ${peer.name}.`);
      }
      if (other.secretHash === peer.secretHash) {
        throw new StoreError("SECRET_TAKEN", "Another peer has this secret.");
      }
    }
  }
}

/** A creation may be repeated while nothing has changed since. */
function assertRepeated(present: StoredPeer, peer: StoredPeer): void {
  const repeated =
    present.revision === peer.revision &&
    present.name === peer.name &&
    present.secretHash === peer.secretHash;
  if (!repeated) throw new StoreError("CONFLICT", `The peer ${peer.peerId} exists.`);
}
