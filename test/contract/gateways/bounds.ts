import { describe, expect, test } from "vitest";
import { maxCreationBurstOfConnection, retireIntervalMs } from "../../../src/broker/limits.js";
import { StoppedClock } from "../../support/stopped-clock.js";
import { eventually, newSecret, operatorToken, reasonIn } from "../../support/test-broker.js";
import { startGateways, type SharedTechnology } from "./two-gateways.js";

export function defineBounds(technology: SharedTechnology): void {
  describe("what each broker counts itself", () => {
    test("is said to be so", async () => {
      const { one } = await startGateways(technology);
      const { limits } = await one.client().getServerInfo({});
      const words = "each broker counts what it takes itself";
      const told = limits.filter(({ description }) => description.includes(words));
      const names = told.map(({ name }) => name);
      for (const name of ["send_burst", "hops_per_minute", "repeat_window_seconds", "peer_burst"])
        expect(names).toContain(name);
      expect(names).not.toContain("text_bytes");
    });

    test("is exceeded with two by as much again, and no more: repeated texts", async () => {
      const { one, two } = await startGateways(technology, { clock: new StoppedClock() });
      const web = await one.join({ name: "web" });
      const secret = newSecret();
      let sent = 0;
      for (const gateway of [one, two, one, two]) {
        const api = await gateway.join({ secret, name: "api", instanceId: "1" });
        await eventually(() => gateway.client(operatorToken).getPeer({ peer: "web" }));
        const request = { to: [web.name], text: "the same" };
        const reason = await api.client.sendMessage(request).then(() => "sent", reasonIn);
        expect(["sent", "REPEATED_TEXT"]).toContain(reason);
        if (reason === "sent") sent++;
      }
      expect(sent).toBe(2);
    });

    test("is exceeded with two by as much again, and no more: new peers", async () => {
      const gateways = await startGateways(technology, { clock: new StoppedClock() });
      const [one, two] = [gateways.one.client(), gateways.two.client()];
      const outcomes = await Promise.all(
        Array.from({ length: 2 * maxCreationBurstOfConnection + 8 }, (_, index) => {
          const client = index % 2 === 0 ? one : two;
          const request = { secret: newSecret(), instanceId: `${index}` };
          return client.register(request).then(() => "made", reasonIn);
        }),
      );
      const made = outcomes.filter((outcome) => outcome === "made");
      expect(made).toHaveLength(2 * maxCreationBurstOfConnection);
      expect(outcomes.filter((outcome) => outcome === "RATE_LIMITED")).toHaveLength(8);
    });
  });

  describe("peers that nobody has been for long", () => {
    test("are retired once, and those that are online at either broker are not", async () => {
      const clock = new StoppedClock();
      const { one, two } = await startGateways(technology, { clock });
      const [old, there] = [await one.join({ name: "old" }), await two.join({ name: "there" })];
      await old.client.unregister({});
      await there.subscribe().expect("started");
      const gateways = [one, two].map((gateway) => gateway.client(operatorToken));
      for (const operator of gateways) {
        await eventually(async () =>
          expect((await operator.getPeer({ peer: "there" })).peer?.online).toBe(true),
        );
      }
      clock.advance(200 * retireIntervalMs);
      for (const operator of gateways) {
        await eventually(async () => {
          const { peers } = await operator.listPeers({});
          expect(peers.map(({ name }) => name)).toEqual(["there"]);
        });
      }
      expect([...one.warnings, ...two.warnings]).toEqual([]);
    });
  });
}
