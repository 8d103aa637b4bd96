import { describe, expect, test } from "vitest";
import type { Durability } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import { findDurability } from "../../../src/store/nats/durability.js";
import type { NatsOptions } from "../../../src/contract/nats-options.js";
import { openStreams } from "../../../src/store/nats/streams.js";
import { findNatsServers, isNatsMissing } from "../../support/nats-programs.js";
import { openLink, optionsFor, startCluster, startServer } from "./open-link.js";

/** With a system account that lets the other one ask servers for their configuration. */
const telling = `accounts {
  SYS { users: [{ user: sys, password: p }]
    exports: [{ service: "$SYS.REQ.SERVER.PING.VARZ", response_type: stream, accounts: [A] }] }
  A { jetstream: enabled, users: [{ user: a, password: p }]
    imports: [{ service: { account: SYS, subject: "$SYS.REQ.SERVER.PING.VARZ" } }] }
}
system_account: SYS`;
const login = () => ({ kind: "password", user: "a", password: "p" }) as const;

describe.skipIf(isNatsMissing())("what a stored message outlives", () => {
  const usable = findNatsServers().filter(({ version }) => !version.startsWith("2.9."));

  test.each<[boolean, Durability]>([
    [true, "disk"],
    [false, "quorum-memory"],
  ])(
    "is what the operator says where servers do not tell: always %s",
    async (syncAlways, durability) => {
      const server = await startServer();
      expect(await found(optionsFor(server, { syncAlways }))).toEqual({ durability, troubles: [] });
    },
  );

  test("is what the operator says where asking is not allowed", async () => {
    const server = await startServer({
      config: `authorization { users: [{ user: a, password: p,
        permissions: { publish: ["$JS.API.>", "peerline.>"] } }] }`,
    });
    expect(await found(optionsFor(server, { syncAlways: true, login }))).toEqual({
      durability: "disk",
      troubles: [],
    });
  });

  test.each(usable)("is what servers tell, in $version", async ({ version }) => {
    const eager = await startServer({ version, syncsAlways: true, config: telling });
    expect(await found(optionsFor(eager, { login }))).toEqual({
      durability: "disk",
      troubles: [],
    });
    const lazy = await startServer({ version, config: telling });
    expect(await found(optionsFor(lazy, { syncAlways: true, login }))).toEqual({
      durability: "quorum-memory",
      troubles: [
        'sync_interval of [nats] in broker.toml says "always", and these NATS servers do not have that: n1. Set it in the jetstream block of their configuration.',
      ],
    });
  });

  test("is the loss of power everywhere where several servers sync, and each stream is on them", async () => {
    const cluster = await startCluster({ syncsAlways: true, config: telling });
    expect(await found(optionsFor(cluster, { login, replicas: 1 }))).toMatchObject({
      durability: "disk",
    });
    expect(await found(optionsFor(cluster, { login }))).toEqual({
      durability: "quorum-disk",
      troubles: [],
    });
  });
});

async function found(
  nats: NatsOptions,
): Promise<{ durability: Durability; troubles: readonly string[] }> {
  const troubles: string[] = [];
  const onTrouble = (words: string) => void troubles.push(words);
  const link = await openLink(nats, { onTrouble });
  const names = await openStreams({ link, clock: systemClock, nats, mailBytes: 64 * 1024 * 1024 });
  const told = { clock: systemClock, nats, names, onTrouble };
  return { durability: await findDurability(link, told), troubles };
}
