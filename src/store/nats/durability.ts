import { visibleLine } from "../../contract/peer-text.js";
import type { Durability } from "../../broker/store/store.js";
import type { Clock } from "../../clock.js";
import type { Link } from "./connect.js";
import { explainApi } from "./link-error.js";
import { probeTimeoutMs, startTimeoutMs } from "./limits.js";
import type { NatsOptions } from "../../contract/nats-options.js";
import type { StreamNames } from "./streams.js";
import { throughElection } from "./through-election.js";

/**
 * What it means that a publish was stored, as far as that can be known:
 *
 * - On how many servers a stream is, the stream itself says.
 * - Whether they sync to the disk before they answer (`sync_interval: always`), servers tell their system
 *   account alone. Where that account lets this one ask them, and they answer, it is known.
 * - Otherwise it is what the operator says in `broker.toml`.
 *
 * @param onTrouble is told where the operator says otherwise than the servers
 */
export async function findDurability(
  link: Link,
  options: {
    clock: Clock;
    nats: NatsOptions;
    names: StreamNames;
    onTrouble: (sentence: string) => void;
  },
): Promise<Durability> {
  const { nats, onTrouble } = options;
  const replicas = await findReplicas(link, options);
  const lazy = await findLazyServers(link);
  if (nats.syncAlways && lazy !== undefined && lazy.length > 0) {
    onTrouble(
      `sync_interval of [nats] in broker.toml says "always", and these NATS servers do not have that: ${lazy.join(", ")}. Set it in the jetstream block of their configuration.`,
    );
  }
  const isSynced = lazy === undefined ? nats.syncAlways : lazy.length === 0;
  if (!isSynced) return "quorum-memory";
  return replicas === 1 ? "disk" : "quorum-disk";
}

/** Of the stream with the fewest. */
async function findReplicas(
  link: Link,
  { clock, nats, names }: { clock: Clock; nats: NatsOptions; names: StreamNames },
): Promise<number> {
  const endMs = clock.monotonic() + startTimeoutMs;
  const kept = [names.mail, names.receipts, names.peers].map(async (name) => {
    const info = await throughElection(link, { clock, endMs }, ({ streams }) => streams.info(name));
    return info.config.num_replicas;
  });
  try {
    return Math.min(...(await Promise.all(kept)));
  } catch (cause) {
    throw explainApi(cause, nats);
  }
}

/** Those that do not sync before they answer; undefined where none tells. */
async function findLazyServers({ connection }: Link): Promise<string[] | undefined> {
  const found = new Map<string, boolean>();
  try {
    const answers = await connection.requestMany(varzSubject, "", {
      strategy: "stall",
      stall: probeTimeoutMs,
      maxWait: 2 * probeTimeoutMs,
    });
    for await (const answer of answers) {
      const { server, data } = answer.json<Varz>();
      const config = data?.jetstream?.config;
      // A server without JetStream keeps nothing.
      if (config === undefined) continue;
      found.set(visibleLine(server?.name ?? "").slice(0, 100), config.sync_always === true);
    }
  } catch {
    // No permission, as is usual, or nobody who answers.
    return undefined;
  }
  return found.size === 0
    ? undefined
    : [...found].filter(([, always]) => !always).map(([name]) => name);
}

/** Every server answers it to whom its system account lets ask. */
const varzSubject = "$SYS.REQ.SERVER.PING.VARZ";

interface Varz {
  readonly server?: { readonly name?: string };
  readonly data?: { readonly jetstream?: { readonly config?: { readonly sync_always?: boolean } } };
}
