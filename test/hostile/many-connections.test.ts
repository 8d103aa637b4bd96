import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { otherOpenFiles } from "../../src/daemon/limits.js";
import { maxConnections } from "../../src/rpc/limits.js";
import { startBrokerHome } from "../support/program.js";
import { cannotRead, readProcess } from "../support/process-reading.js";
import { eventually } from "../support/test-broker.js";
import { defectsIn, Witness } from "./witness.js";

/** Connections beyond the bound, and agents in good order that were there before. */
const beyond = 400;
const agents = 30;

/** Of these, how many wait to be accepted at once: the kernel refuses what exceeds its queue. */
const atOnce = 20;

/** Descriptors that a broker has without connections, and room for a few that come and go. */
const otherDescriptors = 80;

/** What the connections may cost the broker: one that is idle takes 25 KiB. */
const maxGrowthMiB = 110;

describe("a client that connects thousands of times", () => {
  test.skipIf(cannotRead !== undefined).each([
    ["is held to a bound", {}, maxConnections],
    [
      "is held to a lower bound where few files may be open",
      { openFiles: 300 },
      300 - otherOpenFiles,
    ],
  ])(
    "and says nothing %s; agents go on, and new ones get in",
    { timeout: 600_000 },
    async (_, options, most) => {
      await using home = await startBrokerHome(options);
      const honest = await Promise.all(
        Array.from({ length: agents }, async (_, index) => {
          const agent = await Witness.join(home.socket, `agent-${index}`);
          onTestFinished(() => agent[Symbol.dispose]());
          const stream = agent.client.subscribe({})[Symbol.asyncIterator]();
          expect((await stream.next()).value?.event.case).toBe("started");
          return { agent, stream };
        }),
      );
      const { pid } = (await honest[0]?.agent.client.getServerInfo({})) ?? { pid: 0 };
      const before = readProcess(pid);

      const sockets: Socket[] = [];
      onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
      const more = Array.from({ length: atOnce }, async () => {
        while (sockets.length < most + beyond) {
          const socket = await connectTo(home.socket);
          if (socket !== undefined) sockets.push(socket);
        }
      });
      await Promise.all(more);

      await eventually(() => {
        const { descriptors } = readProcess(pid);
        expect(descriptors).toBeLessThan(most + otherDescriptors);
        expect(sockets.filter(({ destroyed }) => destroyed).length).toBeGreaterThanOrEqual(beyond);
      });
      const full = readProcess(pid);
      console.log(
        `connections: the broker has ${before.rssMiB.toFixed(0)} MiB before and ${full.rssMiB.toFixed(0)} MiB with ${full.descriptors} descriptors`,
      );
      expect(full.rssMiB - before.rssMiB).toBeLessThan(maxGrowthMiB);
      for (const { agent, stream } of honest) {
        await agent.send();
        expect((await stream.next()).value?.event.case).toBe("delivery");
      }
      using newcomer = await Witness.join(home.socket, "newcomer");
      await newcomer.send();
      const log = await readFile(join(home.path, "broker.log"), "utf8");
      const told = log.split("\n").filter((line) => line.includes("connections are open"));
      expect(told.length).toBeGreaterThan(0);
      expect(told.length).toBeLessThan(10);

      for (const socket of sockets) socket.destroy();
      await eventually(() => {
        expect(readProcess(pid).descriptors).toBeLessThan(before.descriptors + 10);
      });
      for (const { agent } of honest) await agent.expectAllKept();
      expect(await defectsIn(home.path)).toEqual([]);
    },
  );
});

/** A connection; undefined where the kernel would have it wait. */
async function connectTo(path: string): Promise<Socket | undefined> {
  const socket = connect(path)
    .on("error", () => undefined)
    .resume();
  return await new Promise((resolve) => {
    socket.once("connect", () => resolve(socket));
    socket.once("close", () => resolve(undefined));
  });
}
