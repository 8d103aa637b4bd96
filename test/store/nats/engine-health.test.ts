import { describe, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.js";
import { findServers } from "../../../src/store/nats/engine-health.js";
import { openStreams } from "../../../src/store/nats/streams.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { eventually } from "../../support/test-broker.js";
import { openLink, optionsFor, startCluster, startServer } from "./open-link.js";

const mailBytes = 2 ** 26;

describe.skipIf(isNatsMissing())("the engine's health", () => {
  test("of one server names it, and what it leads", async () => {
    const nats = optionsFor(await startServer());
    const link = await openLink(nats);
    const names = await openStreams({ link, clock: systemClock, nats, mailBytes });
    expect(await findServers(link, names)).toEqual([
      { name: "n1", connected: true, online: true, behind: 0, leads: Object.values(names) },
    ]);
  });

  test("of a cluster tells who leads, who is behind, and who is gone", async () => {
    const cluster = await startCluster();
    const nats = optionsFor(cluster);
    const link = await openLink(nats);
    const names = await openStreams({ link, clock: systemClock, nats, mailBytes });
    const servers = await eventually(async () => {
      const seen = await findServers(link, names);
      expect(seen.map(({ behind }) => behind)).toEqual([0, 0, 0]);
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

    // The kill of a leader is an election, too; of the server that is connected to, a loss.
    const victim = cluster.members.find(({ name }) => name !== link.connection.info?.server_name);
    await victim?.kill();
    await eventually(async () => {
      const seen = await findServers(link, names);
      expect(seen.find(({ name }) => name === victim?.name)).toMatchObject({ online: false });
      expect(seen.flatMap(({ leads }) => leads)).toHaveLength(3);
    });
  });
});
