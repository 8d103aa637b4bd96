import type { PeerListener, PeerStore } from "../../../broker/store/peers.js";
import { StoreError } from "../../../broker/store/store.js";
import { systemClock, type Clock } from "../../../clock.js";
import { Watchers } from "../../watchers.js";
import type { Link } from "../connect.js";
import { deleteMessage } from "../delete-message.js";
import { publishDeadlineMs, removalMemoryMs, removalSweepMs } from "../limits.js";
import type { Publisher } from "../publish.js";
import { streamNames } from "../streams.js";
import { PresenceClaims } from "./presence-claims.js";
import { PresenceExchange } from "./presence-exchange.js";
import { RecordChanges } from "./record-changes.js";
import { recordPart, type PeerMail } from "./record-part.js";
import { RecordStream } from "./record-stream.js";
import { RecordView } from "./record-view.js";

export interface NatsPeersOptions {
  readonly link: Link;
  readonly publisher: Publisher;
  /** Begins the name of each stream and subject. */
  readonly prefix: string;
  /** For times on records and how long removals are remembered. Waits for the network use the system's. */
  readonly clock: Clock;
  readonly mail: PeerMail;
  /** Hears of each record that cannot be read, once, in words. */
  readonly tell: (words: string) => void;
}

/** The part of a store that keeps records, over the stream of peers. Its own end takes back what it announced. */
export interface NatsPeers extends AsyncDisposable {
  readonly peers: PeerStore;
}

/** Reads all records, and follows them from then on. UNAVAILABLE where JetStream does not answer. */
export async function openPeers(options: NatsPeersOptions): Promise<NatsPeers> {
  const { link, publisher, prefix, clock, mail, tell } = options;
  const stream = streamNames(prefix).peers;
  const watchers = new Watchers<PeerListener>();
  const claims = new PresenceClaims((peerId, presence) => {
    watchers.tell((listener) => listener.presence(peerId, presence));
  });
  const view = new RecordView({ prefix: `${prefix}.peers`, watchers, clock, tell });
  const records = new RecordStream(link, stream, view);
  const exchange = new PresenceExchange({ link, prefix: `${prefix}.sessions`, claims, tell });
  const changes = new RecordChanges({ publisher, stream, records, view });
  let sweep: Disposable | undefined;
  let isClosed = false;

  const close = async (): Promise<void> => {
    isClosed = true;
    sweep?.[Symbol.dispose]();
    await exchange[Symbol.asyncDispose]();
    await records[Symbol.asyncDispose]();
  };

  const catchUp = (): Promise<void> => records.catchUp(systemClock.monotonic() + publishDeadlineMs);

  const sweepLater = (): void => {
    // Brokers that share the stream do not all come at once.
    const waitMs = removalSweepMs * (1 + Math.random());
    sweep = clock.after(waitMs, () => {
      void forgetRemovals(link, stream, { view, clock }).finally(() => {
        if (!isClosed) sweepLater();
      });
    });
  };

  try {
    await Promise.all([catchUp(), exchange.heard]);
  } catch (error) {
    await close();
    throw error;
  }
  sweepLater();

  return {
    peers: {
      async watch(listener) {
        view.tellAll(listener);
        for (const [peerId, presence] of claims.standing()) listener.presence(peerId, presence);
        const watch = watchers.add(listener);
        try {
          await catchUp();
        } catch (error) {
          watch[Symbol.dispose]();
          throw error;
        }
        return watch;
      },

      async announce(peerId, presence) {
        if (isClosed) throw new StoreError("UNAVAILABLE", "The store is closed.");
        exchange.announce(peerId, presence);
      },

      ...recordPart({ records, view, changes, clock, mail }),
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Deletes the marks of peers that were removed long ago. Others delete them, too. */
async function forgetRemovals(
  link: Link,
  stream: string,
  { view, clock }: { view: RecordView; clock: Clock },
): Promise<void> {
  const beforeMs = clock.monotonic() - removalMemoryMs;
  for (const mark of view.removals) {
    if (mark.seenMs > beforeMs) continue;
    try {
      await deleteMessage(link.manager, stream, mark.seq);
    } catch {
      // It waits for the next time.
      return;
    }
    view.forgetRemoval(mark);
  }
}
