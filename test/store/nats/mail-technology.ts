import { randomUUID } from "node:crypto";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished } from "vitest";
import { systemClock } from "../../../src/clock.js";
import type { Store } from "../../../src/broker/store/store.js";
import { storeLimits, describeLimits } from "../../../src/store/limits.js";
import { capabilitiesOfOneProcess } from "../../../src/store/capabilities.js";
import { connectLink } from "../../../src/store/nats/connect.js";
import { openMail } from "../../../src/store/nats/mail/mail.js";
import { Publisher } from "../../../src/store/nats/publish.js";
import { openStreams } from "../../../src/store/nats/streams.js";
import { MailSubjects } from "../../../src/store/nats/subjects.js";
import { openMemoryStore } from "../memory/memory-store.js";
import type { StoreTechnology } from "../../contract/store/technology.js";

export function natsTechnology(
  name: string,
  serversOf: () => readonly string[],
  replicas: number,
): StoreTechnology {
  const prefixes = new Map<string, string>();
  return {
    name,
    isDurable: true,
    keepsCopies: true,
    async open({ folder, clock, limits: given }): Promise<Store> {
      const prefix = prefixes.get(folder) ?? `t${randomUUID().slice(0, 8)}`;
      const isNew = !prefixes.has(folder);
      prefixes.set(folder, prefix);
      const limits = { ...storeLimits, ...given };
      const nats = {
        servers: serversOf().map((url) => url.replace("nats://", "")),
        requireTls: false,
        tls: {},
        login: () => undefined,
        prefix,
        replicas,
        syncAlways: false,
      };
      const link = await connectLink(nats, { version: "0", clock: systemClock });
      const names = await openStreams({ link, clock: systemClock, nats, mailBytes: 8e6 });
      if (isNew) onTestFinished(() => removeStreams(serversOf(), prefix));
      const publisher = new Publisher({ link, clock: systemClock });
      const subjects = new MailSubjects(prefix);
      const engine = { link, publisher, names, nats, subjects };
      const mail = await openMail({
        engine,
        clock,
        limits,
        tell: (words) => expect.fail(words),
      });
      const { peers } = openMemoryStore({ clock });
      return {
        info: {
          technology: "nats",
          durability: "quorum-memory",
          dedupeWindowMs: limits.retentionMs,
          limits: describeLimits(limits),
          capabilities: capabilitiesOfOneProcess,
        },
        health: async () => ({
          writable: true,
          problem: "",
          bytes: 0,
          freeBytes: 0,
          damagedMessages: 0,
          damages: [],
        }),
        peers: {
          ...peers,
          remove: async (id) => !mail.isInvolved(id) && peers.remove(id),
          forget: async (id) => !mail.hasOpen(id) && peers.forget(id),
        },
        queues: mail.queues,
        history: mail.history,
        async [Symbol.asyncDispose]() {
          await mail[Symbol.asyncDispose]();
          await publisher[Symbol.asyncDispose]();
          await link[Symbol.asyncDispose]();
        },
      };
    },
  };
}

async function removeStreams(servers: readonly string[], prefix: string): Promise<void> {
  const connection = await connect({ servers: [...servers] });
  const manager = await jetstreamManager(connection);
  for (const name of ["mail", "receipts", "peers"]) {
    await manager.streams.delete(`${prefix}-${name}`);
  }
  await connection.close();
}
