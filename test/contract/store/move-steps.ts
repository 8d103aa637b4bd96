import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { MachineScope } from "../../../gen/peerline/v1/machine_pb.js";
import { ConfirmedBy, ReceiptState, type PeerRef } from "../../../gen/peerline/v1/message_pb.js";
import { ProfileSchema } from "../../../gen/peerline/v1/peer_pb.js";
import type { MovableStore, StoreRecord } from "../../../src/broker/store/transfer.js";
import { canonicalRecord } from "../../../src/store/record-sums.js";
import type { StoppedClock } from "../../support/stopped-clock.js";
import { alice, bob, carol, draft } from "./drafts.js";
import { peer } from "./peers.js";

export const recipients: readonly PeerRef[] = [alice, bob, carol];
const { LEASED, PRESENTED, CONFIRMED, ANSWERED, EXPIRED, DEAD_LETTERED } = ReceiptState;

export type Step =
  | { readonly do: "peer" | "machine" | "token"; readonly number: number }
  | {
      readonly do: "send";
      readonly from: number;
      readonly to: readonly number[];
      readonly text: string;
    }
  | {
      readonly do: "report";
      readonly peer: number;
      readonly at: number;
      readonly state: ReceiptState;
    }
  | { readonly do: "fail"; readonly peer: number; readonly at: number }
  | { readonly do: "redrive" | "drop"; readonly peer: number; readonly at: number };

const one = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom("peer" as const, "machine" as const, "token" as const),
    number: fc.nat(5),
  }),
  fc.record({
    do: fc.constant("send" as const),
    from: one,
    to: fc.uniqueArray(one, { minLength: 1 }),
    text: fc.string({ unit: "binary", maxLength: 40 }),
  }),
  fc.record({
    do: fc.constant("report" as const),
    peer: one,
    at: fc.nat(9),
    state: fc.constantFrom(LEASED, PRESENTED, CONFIRMED, ANSWERED, EXPIRED, DEAD_LETTERED),
  }),
  fc.record({
    do: fc.constant("fail" as const),
    peer: one,
    at: fc.nat(9),
  }),
  fc.record({
    do: fc.constantFrom("redrive" as const, "drop" as const),
    peer: one,
    at: fc.nat(9),
  }),
);

/** What users do to a store until it is moved. */
export const steps: fc.Arbitrary<Step[]> = fc.array(step, { maxLength: 40, size: "max" });

/** Does one thing with the store, a moment after the one before. */
export async function takeStep(
  store: MovableStore,
  clock: StoppedClock,
  next: Step,
): Promise<void> {
  clock.advance(7);
  switch (next.do) {
    case "peer": {
      const made = peer(`api-${next.number}`);
      const profile = create(ProfileSchema, { host: "böx", summary: `${next.number}` });
      const formerNames = [{ name: "old", untilMs: clock.now() }];
      await store.peers.create({ ...made, profile, formerNames, revision: 9 }).catch(() => {});
      return;
    }
    case "machine": {
      const name = `laptop-${next.number}`;
      await store.peers.putMachine({
        machineId: name,
        name,
        scope: MachineScope.AGENT,
        credentialHash: name,
        createTimeMs: 5,
        lastUseMs: 6,
        lastUseAddress: "192.0.2.7",
        revokeTimeMs: next.number > 3 ? 7 : 0,
        revision: 1,
      });
      return;
    }
    case "token":
      await store.peers.createEnrolment(
        {
          tokenHash: `hash ${next.number}`,
          scope: MachineScope.OBSERVE,
          // Used up, good, and over.
          usesLeft: next.number % 3,
          expireTimeMs: Date.UTC(2026, 0, next.number > 2 ? 1 : 2),
        },
        99,
      );
      return;
    case "send": {
      const to = next.to.flatMap((at) => recipients[at] ?? []);
      const from = recipients[next.from] ?? alice;
      const data = next.text.length > 20 ? { n: next.text.length, of: ["x"] } : undefined;
      await store.queues.enqueue(draft({ from, to, text: next.text, data }), to);
      return;
    }
    case "report": {
      const change = { state: next.state, confirmedBy: ConfirmedBy.HOOK, reason: "töo late" };
      return withDelivery(store, next, (peerId, seq) => store.queues.advance(peerId, seq, change));
    }
    case "fail":
      return withDelivery(store, next, (peerId, seq) =>
        store.queues.advance(peerId, seq, { failedAttempt: true }),
      );
    case "redrive":
    case "drop": {
      const deed = store.queues[next.do];
      return withDelivery(store, next, (...at) => deed(...at).catch(() => {}));
    }
  }
}

async function withDelivery(
  { history }: MovableStore,
  { peer: index, at }: { peer: number; at: number },
  deed: (peerId: string, seq: bigint) => Promise<unknown>,
): Promise<void> {
  const { peerId } = recipients[index] ?? alice;
  const query = { viewer: peerId, peer: "", threadId: "", state: ReceiptState.UNSPECIFIED };
  const page = await history.list({ ...query, limit: 10, maxBytes: 2 ** 30, cursor: "" });
  const own = page.records.flatMap(({ receipts }) =>
    receipts.filter(({ recipient }) => recipient?.peerId === peerId),
  );
  const seq = own[at]?.seq;
  if (seq !== undefined) await deed(peerId, seq);
}

/** Everything that is kept, one line for each record. */
export async function linesOf({ records }: Pick<MovableStore, "records">): Promise<string[]> {
  const found: StoreRecord[] = [];
  for await (const page of records.export(() => {})) found.push(...page);
  return [
    ...found
      .filter((one) => !isDelivery(one))
      .map(canonicalRecord)
      .toSorted(),
    ...found.filter(isDelivery).map(canonicalRecord),
  ];
}

function isDelivery({ kind }: StoreRecord): boolean {
  return kind === "delivery";
}
