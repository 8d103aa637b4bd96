import { describe, expect, test } from "vitest";
import { maxCallsOfConnection } from "../../src/rpc/limits.js";
import { startBrokerHome } from "../support/program.js";
import { cannotRead, readProcess } from "../support/process-reading.js";
import { eventually, newSecret } from "../support/test-broker.js";
import { NoWindow } from "./no-window.js";
import { defectsIn, Witness } from "./witness.js";

/** What the client asks for: calls, on each of so many connections. */
const connections = 3;
const callsOfConnection = 1_000;

/** What that may cost the broker. Each call that is open takes some 30 KiB: all of them would be 90 MiB. */
const maxGrowthMiB = 50;

/** Watches of one session. */
const watches = Number(process.env["HOSTILE_WATCHES"] ?? 4_000);

/** What they may cost: a connection has few calls open. A thousand that are stuck in their snapshot take 47 MiB. */
const maxWatchesMiB = 30;

describe("a client that gives no window", () => {
  test.skipIf(cannotRead !== undefined).each(["Subscribe", "WatchPeers", "GetServerInfo"])(
    "and asks for thousands of %s takes little memory, and holds up nobody",
    { timeout: 600_000 },
    async (method) => {
      await using home = await startBrokerHome();
      using witness = await Witness.join(home.socket);
      using attacker = await Witness.join(home.socket, "attacker");
      using client = new NoWindow(home.socket);
      const { pid } = await witness.client.getServerInfo({});
      await witness.medianSendMs(100);
      const before = readProcess(pid);

      const token = method === "GetServerInfo" ? undefined : attacker.token;
      for (let index = 0; index < connections; index++) {
        const session = await client.connect();
        for (let call = 0; call < callsOfConnection; call++) client.open(session, method, token);
      }
      const most = connections * maxCallsOfConnection;
      await eventually(async () => {
        await witness.send();
        expect(client.answered).toBeGreaterThanOrEqual(most);
      });
      await witness.medianSendMs(20);
      const after = readProcess(pid);
      console.log(
        `${method}: ${client.answered} of ${client.opened} were answered; the broker has ${before.rssMiB.toFixed(0)} MiB before and ${after.rssMiB.toFixed(0)} MiB after`,
      );
      expect(after.rssMiB - before.rssMiB).toBeLessThan(maxGrowthMiB);
      await witness.expectAllKept();
      expect(await defectsIn(home.path)).toEqual([]);
    },
  );

  test.skipIf(cannotRead !== undefined)(
    `and asks for ${watches} WatchPeers of one session over one connection ends neither the broker nor others`,
    { timeout: 600_000 },
    async () => {
      await using home = await startBrokerHome();
      using witness = await Witness.join(home.socket);
      using attacker = await Witness.join(home.socket, "attacker");
      const { pid } = await witness.client.getServerInfo({});
      const wide = "x".repeat(4000);
      for (let index = 0; index < 40; index++) {
        const profile = { cwd: `/${wide}`, root: `/${wide}` };
        await attacker.client.register({ secret: newSecret(), baseName: "wide", profile });
      }
      await witness.medianSendMs(50);
      const before = readProcess(pid);
      using client = new NoWindow(home.socket);
      const session = await client.connect();
      for (let index = 0; index < watches; index++) {
        client.open(session, "WatchPeers", attacker.token);
      }
      await eventually(async () => {
        await witness.send();
        expect(client.answered).toBeGreaterThanOrEqual(maxCallsOfConnection);
      });
      await witness.medianSendMs(20);
      const after = readProcess(pid);
      console.log(
        `WatchPeers: ${client.answered} of ${client.opened} were answered; the broker has ${before.rssMiB.toFixed(0)} MiB before and ${after.rssMiB.toFixed(0)} MiB after`,
      );
      expect(after.rssMiB - before.rssMiB).toBeLessThan(maxWatchesMiB);
      await witness.expectAllKept();
      expect(await defectsIn(home.path)).toEqual([]);
    },
  );
});
