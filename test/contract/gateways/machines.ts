import { describe, expect, test } from "vitest";
import { Closing_Reason } from "../../../gen/peerline/v1/broker_service_pb.js";
import { MachineScope } from "../../../gen/peerline/v1/machine_pb.js";
import { usedAgainMs } from "../../../src/broker/limits.js";
import type { SharedBroker } from "../../broker/shared-broker.js";
import { StoppedClock } from "../../support/stopped-clock.js";
import {
  eventually,
  newSecret,
  reasonIn,
  reasonOf,
  TestStream,
} from "../../support/test-broker.js";
import { startSharedGateways, type SharedTechnology } from "./two-gateways.js";

/** Waits until the machine of this credential may call there. */
async function isLetIn({ client }: SharedBroker, credential: string): Promise<void> {
  await eventually(() => client({ credential }).getServerInfo({}));
}

/** The machines that a broker lists: their names, and whether they are let in. */
async function listedAt({ operator }: SharedBroker): Promise<string[]> {
  const { machines } = await operator.listMachines({});
  return machines
    .map(({ name, revokeTime }) => (revokeTime === undefined ? name : `${name} revoked`))
    .toSorted();
}

export function defineMachines(technology: SharedTechnology): void {
  describe("a machine that one broker lets in", () => {
    test("is let in by each, with a token of either, and listed by both", async () => {
      const { one, two } = await startSharedGateways(technology);
      const { token } = await one.operator.createEnrolment({ scope: MachineScope.OBSERVE });
      const credential = newSecret();
      await two.client().enrol({ token, credential, name: "desktop" });
      await isLetIn(one, credential);
      const scope = { scope: MachineScope.OBSERVE, name: "desktop" };
      for (const gateway of [one, two]) {
        expect(await gateway.operator.listMachines({})).toMatchObject({
          machines: [scope],
          enrolments: [],
        });
      }
      // The answer was lost: the same again, at the other one.
      const again = await one.client().enrol({ token, credential, name: "desktop" });
      expect(again.machine?.name).toBe("desktop");
    });

    test("takes a use of its token once, wherever others come with it", async () => {
      const { one, two } = await startSharedGateways(technology);
      const { token } = await one.operator.createEnrolment({});
      const outcomes = await Promise.all(
        [one, two].map(({ client }) =>
          client()
            .enrol({ token, credential: newSecret(), name: "desktop" })
            .then(() => "let in", reasonIn),
        ),
      );
      expect(outcomes.toSorted()).toEqual(["ENROLMENT_INVALID", "let in"]);
    });

    test("has a name of its own, also where another comes to the other broker at once", async () => {
      const { one, two } = await startSharedGateways(technology);
      const [first, second] = await Promise.all([one.enrol("desktop"), two.enrol("desktop")]);
      for (const gateway of [one, two]) {
        await eventually(async () =>
          expect(await listedAt(gateway)).toEqual(["desktop", "desktop-2"]),
        );
        for (const credential of [first, second]) await isLetIn(gateway, credential);
      }
    });

    test("is refused by each once one has revoked it, and what it has open there ends", async () => {
      const { one, two } = await startSharedGateways(technology);
      const credential = await one.enrol("desktop");
      const other = await one.enrol("other");
      for (const each of [credential, other]) await isLetIn(two, each);
      const channel = two.client({ credential });
      const { sessionToken: token } = await channel.register({ secret: newSecret(), name: "api" });
      const stream = new TestStream(two.client({ credential, token }), {});
      await stream.expect("started");
      await one.operator.revokeMachine({ name: "desktop" });
      expect(await stream.expect("closing")).toMatchObject({
        reason: Closing_Reason.UNREGISTERED,
        detail: "the machine was revoked",
      });
      const refused = two.client({ credential, token }).getPeer({});
      expect(await reasonOf(refused)).toBe("MACHINE_UNKNOWN");
      expect(await reasonOf(two.client({ credential }).getServerInfo({}))).toBe("MACHINE_UNKNOWN");
      await isLetIn(two, other);
      for (const gateway of [one, two]) {
        expect(await listedAt(gateway)).toEqual(["desktop revoked", "other"]);
      }
    });

    test("is used at both at once without an error, and may be revoked at the same moment", async () => {
      const clock = new StoppedClock();
      const { one, two } = await startSharedGateways(technology, { clock });
      const credential = await one.enrol("desktop");
      await isLetIn(two, credential);
      const gateways = [one, two];
      for (let round = 0; round < 5; round++) {
        clock.advance(usedAgainMs);
        await Promise.all(gateways.map(({ client }) => client({ credential }).getServerInfo({})));
        for (const { operator } of gateways) {
          await eventually(async () => {
            const { machines } = await operator.listMachines({});
            const seconds = BigInt(Math.floor(clock.now() / 1000));
            expect(machines[0]?.lastUseTime?.seconds).toBe(seconds);
          });
        }
      }
      clock.advance(usedAgainMs);
      await Promise.all([
        // It may come first, or be refused.
        two.client({ credential }).getServerInfo({}).catch(reasonIn),
        one.operator.revokeMachine({ name: "desktop" }),
      ]);
      for (const gateway of gateways) {
        await eventually(async () => expect(await listedAt(gateway)).toEqual(["desktop revoked"]));
        expect(gateway.broker.warnings).toEqual([]);
      }
    });
  });
}
