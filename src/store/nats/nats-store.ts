import type { Store, StoreError, StoreInfo, StoreServerHealth } from "../../broker/store/store.js";
import { systemClock, type Clock } from "../../clock.js";
import { describeLimits, type StoreLimits } from "../limits.js";
import { connectLink, type Link, type LinkState } from "./connect.js";
import { findServers } from "./engine-health.js";
import { explainApi } from "./link-error.js";
import { findDurability } from "./durability.js";
import { EngineClock } from "./engine-clock.js";
import { maxWordsTold } from "./limits.js";
import { openMail } from "./mail/mail.js";
import type { NatsOptions } from "../../contract/nats-options.js";
import { openPeers } from "./peers/peers.js";
import { Publisher } from "./publish.js";
import { openStreams } from "./streams.js";
import { MailSubjects } from "./subjects.js";

export interface NatsStoreOptions {
  readonly nats: NatsOptions;
  /** Of this program. */
  readonly version: string;
  /**
   * For times on records, and for what waits by them. An EngineClock is set right by the engine before a
   * record is read. Waits for the network use the system's.
   */
  readonly clock: Clock;
  readonly limits: StoreLimits;
  /** Is told of what cannot be read, and of trouble with the engine, in words. */
  readonly tell: (words: string) => void;
  /** Is told when the link to the engine is lost, and when it is back. */
  readonly onLink?: (state: LinkState) => void;
  /**
   * Hears once that the store refuses every call from now on, because the engine lacks what it had: power was
   * lost, or an older backup was restored. A new process has to read what is left.
   */
  readonly onBroken?: (error: StoreError) => void;
}

/**
 * The store that several brokers share: streams of JetStream. UNAVAILABLE where it cannot be used now, with
 * the reason; NEWER_VERSION where a newer program made the streams. It outlives the engine's outages: calls
 * that need it fail as UNAVAILABLE meanwhile.
 */
export async function openNatsStore(options: NatsStoreOptions): Promise<Store> {
  const parts: AsyncDisposable[] = [];
  const close = async (): Promise<void> => {
    for (const part of parts.toReversed()) await part[Symbol.asyncDispose]();
  };
  try {
    return await openParts(options, { parts, close });
  } catch (error) {
    await close();
    throw error;
  }
}

/** @param opened.parts gets each part once it is open, so that `close` ends them, the last one first. */
async function openParts(
  options: NatsStoreOptions,
  { parts, close }: { parts: AsyncDisposable[]; close: () => Promise<void> },
): Promise<Store> {
  const { nats, version, clock, limits } = options;
  const use = <Part extends AsyncDisposable>(part: Part): Part => {
    parts.push(part);
    return part;
  };
  let broken: StoreError | undefined;
  const onBroken = (error: StoreError): void => {
    broken ??= error;
    options.onBroken?.(error);
  };
  const damages: string[] = [];
  let damagedMessages = 0;
  const tell = (words: string): void => {
    damages.push(words);
    damages.splice(0, damages.length - maxWordsTold);
    options.tell(words);
  };
  const tellDamage = (words: string): void => {
    damagedMessages++;
    tell(words);
  };

  const link = use(
    await connectLink(nats, { version, clock: systemClock, onTrouble: options.tell }),
  );
  if (options.onLink !== undefined) link.watch(options.onLink);
  const names = await openStreams({
    link,
    clock: systemClock,
    nats,
    mailBytes: limits.maxMailBytes,
  });
  if (clock instanceof EngineClock) {
    use(await clock.follow(link, names.mail, (aheadMs) => options.tell(wrongClock(aheadMs))));
  }
  const durability = await findDurability(link, {
    clock: systemClock,
    nats,
    names,
    onTrouble: options.tell,
  });
  const publisher = use(new Publisher({ link, clock: systemClock }));
  const subjects = new MailSubjects(nats.prefix);
  const engine = { link, publisher, names, nats, subjects };
  const mail = use(
    await openMail({
      engine,
      clock,
      limits,
      tell: options.tell,
      tellDamage,
      onBroken,
    }),
  );
  const records = await openPeers({
    link,
    publisher,
    prefix: nats.prefix,
    clock,
    mail: {
      hasOpen: async (peerId) => mail.hasOpen(peerId),
      isInvolved: async (peerId) => mail.isInvolved(peerId),
    },
    tell,
  });
  use(records);
  let closing: Promise<void> | undefined;

  return {
    info: {
      technology: "nats",
      durability,
      dedupeWindowMs: limits.retentionMs,
      limits: describeLimits(limits),
      capabilities,
    },

    async health() {
      let problem = broken?.message ?? problemOf(link);
      let servers: StoreServerHealth[] = [];
      if (problem === "") {
        try {
          servers = await findServers(link, names);
        } catch (cause) {
          problem = problemOf(link) || explainApi(cause, nats).message;
        }
      }
      return {
        writable: problem === "",
        problem,
        bytes: mail.bytes,
        freeBytes: Math.max(0, limits.maxMailBytes - mail.bytes),
        damagedMessages,
        damages: [...damages],
        servers,
        maxBytes: limits.maxMailBytes,
      };
    },

    peers: records.peers,
    queues: mail.queues,
    history: mail.history,

    [Symbol.asyncDispose]() {
      closing ??= close();
      return closing;
    },
  };
}

const capabilities: StoreInfo["capabilities"] = {
  several_brokers: { has: true, description: "any number of brokers may serve it at once" },
  exact_bounds: {
    has: false,
    description:
      "the bounds of queues and mail may be passed by what other brokers store at the same moment",
  },
  message_ids_of_sender: {
    has: false,
    description:
      "a message id that was used for other content is refused, except where another broker stores that at the same moment for other recipients",
  },
  shares_of_kept_mail: {
    has: true,
    description:
      "a sender's share counts all of its messages that are kept, with a copy for each recipient",
  },
};

function wrongClock(aheadMs: number): string {
  if (aheadMs === 0) return "This machine's clock agrees with the NATS servers' again.";
  const seconds = (Math.abs(aheadMs) / 1000).toFixed(1);
  const words = aheadMs > 0 ? "ahead of" : "behind";
  return `This machine's clock is ${seconds} s ${words} the NATS servers': theirs counts. Set it right.`;
}

/** Why it takes no messages now; empty while it does. */
function problemOf({ state }: Link): string {
  if (state.state === "connected") return "";
  return state.state === "closed" ? "The store is closed." : state.problem;
}
