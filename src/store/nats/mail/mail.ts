import type { HistoryStore } from "../../../broker/store/history.js";
import type { QueueStore } from "../../../broker/store/queues.js";
import { StoreError } from "../../../broker/store/store.js";
import { systemClock, type Clock } from "../../../clock.js";
import type { StoreLimits } from "../../limits.js";
import { removalMemoryMs } from "../limits.js";
import { Barrier } from "./barrier.js";
import { followKept, readKept } from "./feed.js";
import { HistoryTold } from "./history-told.js";
import { openHistoryStore } from "./history.js";
import { MailView } from "./mail-view.js";
import { OwnMail } from "./own-mail.js";
import type { OpenDelivery } from "./open-mail.js";
import { OwnPublishes } from "./own-publishes.js";
import { Pruning } from "./pruning.js";
import { leasedMail, openQueueStore, type Mail } from "./queues.js";
import { Readers } from "./readers.js";
import { Registers, type Engine } from "./registers.js";

/** Messages in two streams of JetStream: what was accepted, and where each delivery stands. */
export interface MailPart extends AsyncDisposable {
  readonly queues: QueueStore;
  readonly history: HistoryStore;
  /** Whether a message in the peer's queue is open. */
  hasOpen(peerId: string): boolean;
  /** Whether the peer sent or received a message that is kept. */
  isInvolved(peerId: string): boolean;
  /** What all messages take, as their bound counts them. */
  readonly bytes: number;
}

export async function openMail(options: {
  engine: Engine;
  clock: Clock;
  limits: StoreLimits;
  /** Is told of trouble with the streams, in words. */
  tell: (words: string) => void;
  /** Is told of what cannot be read, once, in words. */
  tellDamage: (words: string) => void;
  /** Hears once that the streams lack what they had. What is known here is wrong then, and no call is answered. */
  onBroken: (error: StoreError) => void;
}): Promise<MailPart> {
  const { engine, clock, limits, tell, tellDamage, onBroken } = options;
  const own = new OwnMail();
  const underWay = new OwnPublishes();
  const closed = new AbortController();
  const view = new MailView({
    opened: (delivery) => opened(delivery),
    closed: (peerId, seq) => readers.closed(peerId, seq),
  });
  const { publisher, names, subjects } = engine;
  const barrier = new Barrier({
    publisher,
    stream: names.receipts,
    subject: subjects.receiptBarrier,
  });
  const registers = new Registers(engine, view, own, closed.signal);
  const working = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;
  let broken: StoreError | undefined;
  const onLost = (): void => {
    const words =
      "JetStream lacks messages that it had. The broker must be started again, to read what is left.";
    broken ??= new StoreError("UNAVAILABLE", words);
    readers.close();
    onBroken(broken);
  };
  const assertOpen = (): void => {
    if (broken !== undefined) throw broken;
    if (closing !== undefined) throw new StoreError("UNAVAILABLE", "The store is closed.");
  };
  const mail: Mail = {
    engine,
    view,
    registers,
    clock,
    limits,
    own,
    underWay,
    barrier,
    assertOpen,
    async perform(work) {
      assertOpen();
      const doing = work();
      working.add(doing);
      try {
        return await doing;
      } finally {
        working.delete(doing);
      }
    },
  };
  const readers = new Readers(leasedMail(mail), clock);
  const reads = (peerId: string): boolean => readers.reads(peerId);
  const opened = (delivery: OpenDelivery): void => readers.opened(delivery);
  const news = { own, underWay, barrier, reads, opened, tell, tellDamage, onLost };
  const parts = { engine, view, registers, ...news };
  const position = await readKept(parts, systemClock.now() - removalMemoryMs);
  const told = new HistoryTold(position.mail);
  const following = followKept(parts, position, told);
  const pruning = new Pruning({ engine, view, clock, limits, tell });

  return {
    queues: openQueueStore(mail, readers),
    history: openHistoryStore(mail, told),
    hasOpen: (peerId) => !view.queue(peerId).isEmpty,
    isInvolved: (peerId) => view.ledger.involves(peerId),
    get bytes() {
      return view.ledger.totalBytes;
    },
    [Symbol.asyncDispose]() {
      closing ??= close();
      return closing;
    },
  };
  async function close(): Promise<void> {
    closed.abort(new Error("the store is closed"));
    readers.close();
    // Each of them ends by itself after some seconds.
    await Promise.allSettled(working);
    await Promise.all([pruning[Symbol.asyncDispose](), following[Symbol.asyncDispose]()]);
  }
}
