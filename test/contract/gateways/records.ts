import { describe, expect, test } from "vitest";
import { Closing_Reason } from "../../../gen/peerline/v1/broker_service_pb.js";
import { eventually, operatorToken, reasonIn, reasonOf } from "../../support/test-broker.js";
import { startGateways, type SharedTechnology } from "./two-gateways.js";

export function defineRecords(technology: SharedTechnology): void {
  describe("the peers of one broker", () => {
    test("have names of their own, however many are made at once at each", async () => {
      const { one, two } = await startGateways(technology);
      const joined = await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          (index % 2 === 0 ? one : two).join({ baseName: "api", instanceId: `${index}` }),
        ),
      );
      const names = joined.map(({ name }) => name);
      expect(new Set(names).size).toBe(12);
      for (const gateway of [one, two]) {
        await eventually(async () => {
          const { peers } = await gateway.client(operatorToken).listPeers({});
          expect(peers.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
        });
      }
    });

    test("keep what is changed of one at both at once", async () => {
      const { one, two } = await startGateways(technology);
      const api = await one.join({ name: "api" });
      const operators = [one, two].map((gateway) => gateway.client(operatorToken));
      await eventually(() => operators[1]?.getPeer({ peer: "api" }));
      for (let round = 0; round < 5; round++) {
        const summary = `round ${round}`;
        await Promise.all([
          api.client.updatePeer({ summary }),
          round % 2 === 0
            ? operators[1]?.mutePeer({ peer: "api" })
            : operators[1]?.unmutePeer({ peer: "api" }),
        ]);
        for (const operator of operators) {
          await eventually(async () => {
            const { peer } = await operator.getPeer({ peer: "api" });
            expect([peer?.profile?.summary, peer?.muted]).toEqual([summary, round % 2 === 0]);
          });
        }
      }
    });

    test("give no name away twice", async () => {
      const { one, two } = await startGateways(technology);
      const [api, web] = [await one.join({ name: "api" }), await two.join({ name: "web" })];
      const renamed = await Promise.all(
        [api, web].map((peer) => reasonOf(peer.client.updatePeer({ name: "shop" }))),
      );
      expect(renamed.filter((reason) => reason === "NAME_TAKEN")).toHaveLength(1);
      // The name that one gave up may be had by the other.
      const isApi = renamed[0] !== "NAME_TAKEN";
      const [winner, loser] = isApi ? [api, web] : [web, api];
      await eventually(() => loser.client.updatePeer({ name: winner.name }));
      await eventually(async () => {
        const { peer } = await winner.client.getPeer({ peer: winner.name });
        expect(peer?.peerId).toBe(loser.registered.peer?.peerId);
      });
    });

    test("are muted at each by the operator of one", async () => {
      const { one, two } = await startGateways(technology);
      const api = await one.join({ name: "api" });
      await two.join({ name: "web" });
      const operator = two.client(operatorToken);
      await eventually(() => operator.mutePeer({ peer: "api" }));
      await eventually(async () =>
        expect(await reasonOf(api.client.sendMessage({ to: ["web"], text: "x" }))).toBe("MUTED"),
      );
    });

    test("are gone at each when one deletes them, and their sessions end", async () => {
      const { one, two } = await startGateways(technology);
      const api = await one.join({ name: "api" });
      const web = await two.join({ name: "web" });
      const stream = api.subscribe();
      await stream.expect("started");
      const operator = two.client(operatorToken);
      await eventually(async () =>
        expect((await operator.getPeer({ peer: "api" })).peer?.online).toBe(true),
      );
      expect(await reasonOf(operator.deletePeer({ peer: "api" }))).toBe("PEER_LIVE");
      await web.client.sendMessage({ to: ["api"], text: "held" });
      await stream.expect("delivery");
      const deleted = await operator.deletePeer({ peer: "api", evenIfLive: true });
      expect(deleted.undeliveredMessages).toBe(1n);
      const closing = await stream.expect("closing");
      expect(closing).toMatchObject({
        reason: Closing_Reason.UNREGISTERED,
        detail: "the peer was deleted",
      });
      expect(await reasonOf(api.client.updatePeer({ summary: "x" }))).toBe("TOKEN_INVALID");
      const seen = one.client(operatorToken).getPeer({ peer: "api" });
      expect(await reasonOf(seen)).toBe("PEER_NOT_FOUND");
      // Its name and its secret are free again.
      const again = await one.join({ secret: api.secret, name: "api" });
      expect(again.registered).toMatchObject({ created: true, epoch: 1n });
      expect(again.name).toBe("api");
    });

    test("are gone without an error when each deletes them at once", async () => {
      const { one, two } = await startGateways(technology);
      const api = await one.join({ name: "api" });
      await api.client.unregister({});
      const operators = [one, two].map((gateway) => gateway.client(operatorToken));
      await eventually(() => operators[1]?.getPeer({ peer: "api" }));
      // One may not have heard of the session's end.
      const request = { peer: "api", evenIfLive: true };
      const ends = await Promise.all(
        operators.map((operator) => operator.deletePeer(request).then(() => "deleted", reasonIn)),
      );
      expect(ends).toContain("deleted");
      for (const end of ends) expect(["deleted", "PEER_NOT_FOUND"]).toContain(end);
      expect([one.warnings, two.warnings]).toEqual([[], []]);
    });
  });
}
