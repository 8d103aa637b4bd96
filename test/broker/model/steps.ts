import fc from "fast-check";
import { Outcome } from "../../../gen/peerline/v1/broker_service_pb.js";

/** Numbers choose among what there is when the step's turn comes; where there is nothing it does nothing. */
export type Step =
  | { readonly do: "join"; readonly name: string }
  | { readonly do: "return"; readonly peer: number; readonly asNewInstance: boolean }
  | { readonly do: "subscribe"; readonly peer: number; readonly credit: number }
  | { readonly do: "unregister" | "cut" | "list"; readonly peer: number }
  | { readonly do: "rename"; readonly peer: number; readonly name: string }
  | { readonly do: "send"; readonly peer: number; readonly to: number[]; readonly minutes: number }
  | {
      readonly do: "repeat";
      readonly message: number;
      readonly to: number[];
      readonly otherText: boolean;
    }
  | { readonly do: "reply"; readonly peer: number; readonly message: number; readonly to: number[] }
  | { readonly do: "get"; readonly peer: number; readonly message: number }
  | {
      readonly do: "report";
      readonly peer: number;
      readonly delivery: number;
      readonly outcome: Outcome;
    }
  | { readonly do: "report another's"; readonly peer: number; readonly owner: number }
  | { readonly do: "pass time"; readonly minutes: number }
  | { readonly do: "restart" };

const index = fc.nat(7);
const indexes = fc.array(fc.nat(3), { minLength: 1, maxLength: 3 });
const name = fc.constantFrom("api", "web", "api-2");
const outcome = fc.constantFrom(
  Outcome.PRESENTED,
  Outcome.PRESENTED,
  Outcome.CONFIRMED,
  Outcome.RETURNED,
  Outcome.REJECTED,
  Outcome.EXPIRED,
);

const step: fc.Arbitrary<Step> = fc.oneof(
  weigh(1, "join", { name }),
  weigh(3, "return", { peer: index, asNewInstance: fc.boolean() }),
  weigh(4, "subscribe", { peer: index, credit: fc.integer({ min: 1, max: 4 }) }),
  weigh(1, "unregister", { peer: index }),
  weigh(1, "cut", { peer: index }),
  weigh(1, "list", { peer: index }),
  weigh(2, "rename", { peer: index, name }),
  weigh(6, "send", { peer: index, to: indexes, minutes: fc.constantFrom(100, 100, 1000) }),
  weigh(2, "repeat", { message: fc.nat(9), to: indexes, otherText: fc.boolean() }),
  weigh(2, "reply", { peer: index, message: fc.nat(9), to: indexes }),
  weigh(1, "get", { peer: index, message: fc.nat(9) }),
  weigh(7, "report", { peer: index, delivery: fc.nat(9), outcome }),
  weigh(1, "report another's", { peer: index, owner: index }),
  weigh(1, "pass time", { minutes: fc.constantFrom(1, 101) }),
  weigh(1, "restart", {}),
);

/** Three peers that listen, then anything. */
export const steps: fc.Arbitrary<Step[]> = fc
  .array(step, { maxLength: 50, size: "max" })
  .map((rest) => [
    ...["api", "api", "web"].map((name): Step => ({ do: "join", name })),
    ...[0, 1, 2].map((peer): Step => ({ do: "subscribe", peer, credit: 2 })),
    ...rest,
  ]);

function weigh<Name extends string, Fields extends object>(
  weight: number,
  name: Name,
  fields: { [Field in keyof Fields]: fc.Arbitrary<Fields[Field]> },
): fc.WeightedArbitrary<Fields & { do: Name }> {
  const arbitrary = fc.record(
    { do: fc.constant(name), ...fields },
    { noNullPrototype: true },
  ) as fc.Arbitrary<Fields & { do: Name }>;
  return { weight, arbitrary };
}
