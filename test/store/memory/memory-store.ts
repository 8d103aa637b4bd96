import { toBinary } from "@bufbuild/protobuf";
import { MessageSchema } from "../../../gen/peerline/v1/message_pb.js";
import type { PeerListener, PeerStore } from "../../../src/broker/store/peers.js";
import { StoreError } from "../../../src/broker/store/store.js";
import type { MovableStore, RecordStore, StoreRecord } from "../../../src/broker/store/transfer.js";
import type { Clock } from "../../../src/clock.js";
import { capabilitiesOfOneProcess } from "../../../src/store/capabilities.js";
import { HistoryWatch } from "../../../src/store/history-watch.js";
import { describeLimits, storeLimits, type StoreLimits } from "../../../src/store/limits.js";
import { MachineTable } from "../../../src/store/machine-table.js";
import { OwnPresences } from "../../../src/store/own-presences.js";
import { PeerTable } from "../../../src/store/peer-table.js";
import { QueueReaders, type OpenMail } from "../../../src/store/queue-readers.js";
import { isOpen, toReceipt } from "../../../src/store/stored-message.js";
import { Watchers } from "../../../src/store/watchers.js";
import { findMessages, listMessages } from "./history.js";
import { MessageTable, type Delivery } from "./message-table.js";
import { lease, openMail } from "./queue.js";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Default of each: that of `storeLimits`. */
  readonly limits?: Partial<StoreLimits>;
}

/** A store that ends with its process. It is the plainest form of the contract. Several brokers may share it. */
export function openMemoryStore({ clock, limits: given }: MemoryStoreOptions): MovableStore {
  const limits = { ...storeLimits, ...given };
  const messages = new MessageTable(limits);
  const peers = new PeerTable();
  const machines = new MachineTable();
  const watch = new HistoryWatch();
  const leasing = openMail((peerId) => messages.queue(peerId), clock);
  const mail: OpenMail = {
    ...leasing,
    async take(...wanted) {
      const taken = await leasing.take(...wanted);
      for (const queued of taken.messages) watch.leased(queued);
      return taken;
    },
  };
  const readers = new QueueReaders(mail, clock);
  let isClosed = false;

  const assertOpen = (): void => {
    if (isClosed) throw new StoreError("UNAVAILABLE", "The store is closed.");
  };
  /** Does it at once; what it throws rejects the promise. */
  const perform: Perform = async <T>(deed: () => T): Promise<Awaited<T>> => {
    assertOpen();
    return await deed();
  };

  return {
    info: {
      technology: "memory",
      durability: "memory",
      dedupeWindowMs: limits.retentionMs,
      limits: describeLimits(limits),
      capabilities: {
        ...capabilitiesOfOneProcess,
        several_brokers: { has: true, description: "brokers of one process may share it" },
      },
    },

    health: async () => ({
      writable: !isClosed,
      problem: isClosed ? "The store is closed." : "",
      bytes: messages.bytes,
      freeBytes: 0,
      damagedMessages: 0,
      damages: [],
    }),

    peers: peerPart({ messages, peers, machines, clock, perform }),
    records: recordPart({ messages, peers, machines, perform }),

    queues: {
      listOpen: ({ peerId, limit }) =>
        perform(() => {
          const open = [...messages.queue(peerId).from([], 0)];
          return open.slice(0, limit).map(({ receipt }) => BigInt(receipt.seq));
        }),

      enqueue: (draft, recipients) =>
        perform(() => {
          const results = messages.enqueue(draft, recipients, clock.now());
          watch.accepted(results);
          recipients.forEach(({ peerId }, index) => {
            const result = results[index];
            if (result?.ok !== true || result.duplicate) return;
            const delivery = messages.delivery(peerId, Number(result.receipt.seq));
            if (delivery === undefined) return;
            const claim = readers.claim(peerId, delivery.entry.sizeBytes);
            if (claim === undefined) return readers.wake(peerId);
            const queued = lease(delivery, clock.now());
            watch.leased(queued);
            claim.handOut(queued);
          });
          return results;
        }),

      open(of, listener) {
        assertOpen();
        return readers.open(of, listener);
      },

      countWaiting: (peerIds) =>
        perform(
          () => new Map(peerIds.map((peerId) => [peerId, messages.queue(peerId).waiting.length])),
        ),

      advance: (peerId, seq, change) =>
        perform(() => {
          const advanced = messages.advance(peerId, Number(seq), change, clock.now());
          if (!isOpen(advanced.receipt.state)) readers.withdraw([advanced.receipt]);
          watch.moved(advanced);
          return advanced;
        }),

      redrive: (peerId, seq) =>
        perform(async () => {
          const offer = readers.reopening(peerId);
          const redriven = messages.redrive(peerId, Number(seq));
          watch.moved(redriven);
          await offer(Number(seq));
          return redriven;
        }),

      drop: (peerId, seq) => perform(() => messages.drop(peerId, Number(seq))),
    },

    history: {
      watch: (listener) => watch.add(listener),
      purge: ({ from, waiting, reason }) =>
        perform(() => {
          const removed = messages.purge(from, waiting);
          readers.withdraw(removed.map(({ receipt }) => receipt));
          for (const one of removed) watch.removed(one, reason);
          return { removed, next: undefined };
        }),
      listExpired: (query) => perform(() => messages.listExpired(query, clock.now())),
      nextExpiryMs: () => perform(() => messages.expiries()[0]?.expireTimeMs),
      getReceipt: (peerId, seq) => perform(() => messages.getReceipt(peerId, Number(seq))),
      find: (query) => perform(() => findMessages(messages, query)),
      list: (query) => perform(() => listMessages(messages, query)),
    },

    async [Symbol.asyncDispose]() {
      isClosed = true;
      readers.close();
    },
  };
}

type Perform = <T>(deed: () => T) => Promise<Awaited<T>>;

function peerPart(parts: {
  messages: MessageTable;
  peers: PeerTable;
  machines: MachineTable;
  clock: Clock;
  perform: Perform;
}): PeerStore {
  const { messages, peers, machines, clock, perform } = parts;
  const watchers = new Watchers<PeerListener>();
  const presences = new OwnPresences(watchers);
  const removeIf = (isFree: boolean, peerId: string): boolean => {
    if (!isFree) return false;
    peers.remove(peerId);
    watchers.tell((listener) => listener.peerRemoved(peerId));
    return true;
  };

  return {
    watch: (listener) =>
      perform(() => {
        for (const peer of peers.list()) listener.peer(peer);
        for (const machine of machines.list()) listener.machine(machine);
        presences.tellAll(listener);
        return watchers.add(listener);
      }),
    create: (peer) =>
      perform(() => {
        if (peers.checkCreation(peer)) peers.put(peer);
        watchers.tell((listener) => listener.peer(peer));
      }),
    update: (peer) =>
      perform(() => {
        peers.checkUpdate(peer);
        peers.put(peer);
        watchers.tell((listener) => listener.peer(peer));
      }),
    remove: (peerId) => perform(() => removeIf(messages.removePeer(peerId), peerId)),
    forget: (peerId) => perform(() => removeIf(messages.forgetQueue(peerId), peerId)),
    announce: presences.announce,

    putMachine: (machine) =>
      perform(() => {
        machines.put(machine);
        watchers.tell((listener) => listener.machine(machine));
      }),
    removeMachine: (machineId) =>
      perform(() => {
        machines.remove(machineId);
        watchers.tell((listener) => listener.machineRemoved(machineId));
      }),
    createEnrolment: (enrolment, maximum) =>
      perform(() => machines.createEnrolment(enrolment, maximum, clock.now())),
    listEnrolments: () => perform(() => machines.listEnrolments(clock.now())),
    revokeEnrolments: () => perform(() => machines.revokeEnrolments(clock.now())),
    enrol: (tokenHash, newcomer) =>
      perform(() => {
        const use = machines.enrol(tokenHash, newcomer, clock.now());
        if (use.state === "taken") watchers.tell((listener) => listener.machine(use.machine));
        return use;
      }),
  };
}

function recordPart(parts: {
  messages: MessageTable;
  peers: PeerTable;
  machines: MachineTable;
  perform: Perform;
}): RecordStore {
  const { messages, peers, machines, perform } = parts;
  const add = (record: StoreRecord): void => {
    switch (record.kind) {
      case "peer":
        if (peers.checkCreation(record.peer)) peers.put(record.peer);
        return;
      case "machine":
        return machines.add(record.machine);
      case "enrolment":
        return machines.addEnrolment(record.enrolment);
      case "delivery":
        return messages.put(record.delivery);
    }
  };
  return {
    async *export() {
      yield await perform(() => [
        ...peers.list().map((peer) => ({ kind: "peer", peer }) as const),
        ...machines.list().map((machine) => ({ kind: "machine", machine }) as const),
        ...machines.enrolments().map((enrolment) => ({ kind: "enrolment", enrolment }) as const),
      ]);
      yield await perform(() => messages.deliveries().map(toMoved));
    },
    import: (records) => perform(() => records.forEach(add)),
  };
}

function toMoved({ entry, receipt, isRedriven }: Delivery): StoreRecord {
  const { message, fingerprint } = entry;
  const body = toBinary(MessageSchema, message);
  const delivery = { body, fingerprint, receipt: toReceipt(receipt), redriven: isRedriven };
  return { kind: "delivery", delivery };
}
