import type { HistoryListener } from "../../src/broker/store/history.js";
import type { PeerListener, PeerStore } from "../../src/broker/store/peers.js";
import { StoreError, type Store } from "../../src/broker/store/store.js";

/**
 * A store that is told of what happens a moment later, as over a network: each broker of a test has one over what they
 * share. What a refused change met is told before it is refused, as the contract says.
 */
export function laggingStore(store: Store, lagMs: number): Store {
  const told = new Backlog(lagMs);
  const { peers, history } = store;
  const refused = async <T>(call: Promise<T>): Promise<T> => {
    try {
      return await call;
    } catch (error) {
      if (error instanceof StoreError) told.flush();
      throw error;
    }
  };
  const lagging: PeerStore = {
    ...peers,
    create: (peer) => refused(peers.create(peer)),
    update: (peer) => refused(peers.update(peer)),
    putMachine: (machine) => refused(peers.putMachine(machine)),
    async watch(listener) {
      let isCurrent = false;
      const tell = (event: () => void): void => (isCurrent ? told.add(event) : event());
      const later: PeerListener = {
        peer: (peer) => tell(() => listener.peer(peer)),
        peerRemoved: (peerId) => tell(() => listener.peerRemoved(peerId)),
        machine: (machine) => tell(() => listener.machine(machine)),
        machineRemoved: (machineId) => tell(() => listener.machineRemoved(machineId)),
        presence: (peerId, presence) => tell(() => listener.presence(peerId, presence)),
      };
      const watch = await peers.watch(later);
      isCurrent = true;
      return watch;
    },
  };
  return {
    ...store,
    peers: lagging,
    history: {
      ...history,
      watch(listener) {
        const later: HistoryListener = {
          accepted: (message, receipts) => told.add(() => listener.accepted(message, receipts)),
          moved: (moved) => told.add(() => listener.moved(moved)),
        };
        return history.watch(later);
      },
    },
  };
}

/** Events that are told in their order, each after the lag. */
class Backlog {
  readonly #events: (() => void)[] = [];
  readonly #lagMs: number;

  constructor(lagMs: number) {
    this.#lagMs = lagMs;
  }

  add(event: () => void): void {
    this.#events.push(event);
    setTimeout(() => this.#events.shift()?.(), this.#lagMs).unref();
  }

  flush(): void {
    for (const event of this.#events.splice(0)) event();
  }
}
