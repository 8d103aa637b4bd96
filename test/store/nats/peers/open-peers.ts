import { randomUUID } from "node:crypto";
import { onTestFinished } from "vitest";
import type { PeerStore } from "../../../../src/broker/store/peers.js";
import type { Store } from "../../../../src/broker/store/store.js";
import { systemClock, type Clock } from "../../../../src/clock.js";
import { connectLink, type Link } from "../../../../src/store/nats/connect.js";
import type { NatsOptions } from "../../../../src/contract/nats-options.js";
import { openPeers } from "../../../../src/store/nats/peers/peers.js";
import { Publisher } from "../../../../src/store/nats/publish.js";
import { openStreams } from "../../../../src/store/nats/streams.js";
import { openMemoryStore } from "../../memory/memory-store.js";

/** The part of records, over a link of its own. */
export interface OpenedPeers extends AsyncDisposable {
  readonly peers: PeerStore;
  readonly link: Link;
  /** What could not be read, in words. */
  readonly told: readonly string[];
}

/** A prefix that nobody else uses. */
export function newPrefix(): string {
  return `t${randomUUID().slice(0, 8)}`;
}

/** Opens the part; its streams are made where they are not there. */
export async function openPart(
  nats: NatsOptions,
  options: { clock?: Clock; mail?: Store } = {},
): Promise<OpenedPeers> {
  const { clock = systemClock, mail = openMemoryStore({ clock }) } = options;
  const link = await connectLink(nats, { version: "1.2.3", clock: systemClock });
  const publisher = new Publisher({ link, clock: systemClock });
  const told: string[] = [];
  await openStreams({ link, clock: systemClock, nats, mailBytes: 1024 * 1024 });
  const part = await openPeers({
    link,
    publisher,
    prefix: nats.prefix,
    clock,
    tell: (words) => void told.push(words),
    mail: {
      hasOpen: async (peerId) => (await mail.queues.listOpen({ peerId, limit: 1 })).length > 0,
      isInvolved: async (peerId) => !(await mail.peers.remove(peerId)),
    },
  });
  return {
    peers: part.peers,
    link,
    told,
    async [Symbol.asyncDispose]() {
      await part[Symbol.asyncDispose]();
      await publisher[Symbol.asyncDispose]();
      await link[Symbol.asyncDispose]();
    },
  };
}

/** The same; it ends with the test. */
export async function openPartOf(...given: Parameters<typeof openPart>): Promise<OpenedPeers> {
  const part = await openPart(...given);
  onTestFinished(() => part[Symbol.asyncDispose]());
  return part;
}
