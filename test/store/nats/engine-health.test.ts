import { describe, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.js";
import { lookAtEngine } from "../../../src/store/nats/engine-health.js";
import { openStreams } from "../../../src/store/nats/streams.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { eventually } from "../../support/test-broker.js";
import { openLink, optionsFor, startCluster, startServer } from "./open-link.js";

const mailBytes = 2 ** 26;

describe.skipIf(isNatsMissing())("the engine's health", () => {
  test("of one server names it, and what its streams may hold", async () => {
    const nats = optionsFor(await startServer());
    const link = await openLink(nats);
    const names = await openStreams({ link, clock: systemClock, nats, mailBytes });
    const before = await lookAtEngine(link, names);
    expect(before).toMatchObject({ bytes: 0 });
    expect(before.maxBytes).toBeGreaterThan(2 * mailBytes);
    expect(before.servers).toMatchObject([
      { name: "n1", connected: true, online: true, behind: 0, leads: Object.values(names) },
    ]);
    await link.connection.request("peerline.peers.peer.x", "x");
    expect((await lookAtEngine(link, names)).bytes).toBeGreaterThan(0);
    await link.manager.streams.update(names.mail, { max_bytes: -1 });
    expect((await lookAtEngine(link, names)).maxBytes).toBe(0);
  });

  test("of a cluster tells who leads, who is behind, and who is gone", async () => {
    const cluster = await startCluster();
    const nats = optionsFor(cluster);
    const link = await openLink(nats);
    const names = await openStreams({ link, clock: systemClock, nats, mailBytes });
    const { servers } = await eventually(async () => {
      const seen = await lookAtEngine(link, names);
      expect(seen.servers.map(({ behind }) => behind)).toEqual([0, 0, 0]);
      return seen;
    });
    expect(servers.map(({ name, online }) => [name, online])).toEqual([
      ["n1", true],
      ["n2", true],
      ["n3", true],
    ]);
    const led = servers.flatMap(({ leads }) => leads);
    expect(new Set(led)).toEqual(new Set(Object.values(names)));
    expect(led).toHaveLength(3);
    expect(servers.filter(({ connected }) => connected)).toHaveLength(1);

    const victim = cluster.members.find(
      ({ name }) => name !== link.connection.info?.server_name && !leadsAll(servers, name),
    );
    await victim?.kill();
    await eventually(async () => {
      const seen = (await lookAtEngine(link, names)).servers;
      expect(seen.find(({ name }) => name === victim?.name)).toMatchObject({ online: false });
      expect(seen.flatMap(({ leads }) => leads)).toHaveLength(3);
    });
  });
});

function leadsAll(
  servers: readonly { name: string; leads: readonly string[] }[],
  name: string,
): boolean {
  return servers.find((server) => server.name === name)?.leads.length === 3;
}
