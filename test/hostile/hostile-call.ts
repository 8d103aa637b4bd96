import { gzipSync } from "node:zlib";
import type { DescMethod } from "@bufbuild/protobuf";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { Health } from "../../gen/grpc/health/v1/health_pb.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { frame } from "../rpc/frame.js";
import type { Chance } from "./chance.js";
import { hostileMessage } from "./hostile-message.js";

/** One call as bytes and headers. */
export interface HostileCall {
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
  /** When the caller cancels it, if it has not ended before: when it was sent, or at the first response. */
  readonly cancels: "at once" | "when answered" | "never";
}

/** @param tokens that are valid, of which one may be used; never to stop the broker. */
export function hostileCall(chance: Chance, tokens: readonly [string, ...string[]]): HostileCall {
  const method = chance.pick(methods);
  const path = chance.is(0.97)
    ? `/${method.parent.typeName}/${method.name}`
    : chance.pick([
        "/",
        "",
        "/a",
        `/${"x".repeat(3000)}`,
        "//",
        "/peerline.v1.BrokerService/",
        "*",
      ]);
  const mayAct = method.name !== "StopBroker";
  return {
    headers: {
      ":method": chance.is(0.99) ? "POST" : chance.pick(["GET", "PUT", "CONNECT", "PRI"]),
      ":path": path,
      "content-type": chance.is(0.98) ? "application/grpc" : chance.pick(contentTypes),
      te: "trailers",
      ...(mayAct && chance.is(0.7)
        ? { authorization: `Bearer ${chance.pick(tokens)}` }
        : hostileAuthorization(chance)),
      ...hostileMetadata(chance),
    },
    body: hostileFrames(chance, method),
    cancels: chance.is(0.03)
      ? "at once"
      : method.methodKind === "unary"
        ? "never"
        : "when answered",
  };
}

const methods = [...BrokerService.methods, ...Health.methods, ...ServerReflection.methods] as [
  DescMethod,
  ...DescMethod[],
];

const contentTypes = [
  "",
  "application/json",
  "application/grpc+json",
  "text/html",
  "a/b;".repeat(99),
] as const;

function hostileAuthorization(chance: Chance): Record<string, string | string[]> {
  return chance.pick<Record<string, string | string[]>>([
    {},
    { authorization: "" },
    { authorization: "Bearer" },
    { authorization: "Bearer " },
    { authorization: `Bearer ${"A".repeat(chance.int(7000))}` },
    {
      authorization: chance
        .bytes(40)
        .toString("latin1")
        .replaceAll(/[\0\r\n]/g, "~"),
    },
    { authorization: "Basic cm9vdDpyb290" },
    { authorization: "bearer __proto__" },
    { Authorization: ["Bearer a", "Bearer b"] },
  ]);
}

function hostileMetadata(chance: Chance): Record<string, string> {
  if (chance.is(0.7)) return {};
  return chance.pick<Record<string, string>>([
    {
      "grpc-timeout": chance.pick([
        "1n",
        "0S",
        "-1S",
        "abc",
        "",
        "99999999H",
        "1",
        "1e9S",
        "123456789m",
      ]),
    },
    { "grpc-encoding": chance.pick(["gzip", "deflate", "br", "identity", "x".repeat(999)]) },
    { "grpc-accept-encoding": "gzip,".repeat(200) },
    { "trace-bin": chance.pick(["AAAA", "@@@@", "A", "=".repeat(40)]) },
    { "user-agent": "x".repeat(chance.int(6000)) },
    { "grpc-previous-rpc-attempts": "99999999999999999999" },
    { "content-length": chance.pick(["0", "5", "-1", "99999999999"]) },
    Object.fromEntries(Array.from({ length: chance.int(90) }, (_, at) => [`x-${at}`, "y"])),
  ]);
}

/** One message in its frame, mostly; or a frame that lies. */
function hostileFrames(chance: Chance, method: DescMethod): Buffer {
  const message = hostileMessage(chance, method.input);
  const roll = chance.next();
  if (roll < 0.85) return frame(message);
  if (roll < 0.88) return frame(message, chance.int(2 ** 32));
  if (roll < 0.9) return frame(message, message.length, chance.int(256));
  if (roll < 0.92) return frame(gzipSync(message), undefined, 1);
  if (roll < 0.96) return Buffer.concat([frame(message), frame(message)]);
  return roll < 0.98 ? message : Buffer.alloc(0);
}
