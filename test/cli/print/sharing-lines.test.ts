import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import pc from "picocolors";
import { expect, test } from "vitest";
import { ListMachinesResponseSchema } from "../../../gen/peerline/v1/broker_service_pb.js";
import { MachineScope, type MachineSchema } from "../../../gen/peerline/v1/machine_pb.js";
import { machineLines } from "../../../src/cli/print/machine-lines.js";
import { sharingLines } from "../../../src/cli/print/sharing-lines.js";

const plain = { color: pc.createColors(false) };
const nowMs = new Date(2026, 10, 22, 12, 3, 5).getTime();
const hostile = "a\u001B[2J\u202E\npeerline: all is well";

test("what a broker listens to, who may join and who is connected each has its line", () => {
  const minutes = (number: number) => timestampFromMs(nowMs + number * 60_000);
  const lines = sharingLines(
    create(ListMachinesResponseSchema, {
      listener: {
        address: "0.0.0.0:7899",
        advertisedAddress: "laptop.local:7899",
        caSha256: "9d2c",
        certificateExpireTime: minutes(60 * 24 * 30),
      },
      enrolments: [
        { scope: MachineScope.AGENT, usesLeft: 1, expireTime: minutes(15) },
        { scope: MachineScope.OBSERVE, usesLeft: 20, expireTime: minutes(120) },
      ],
      machines: [machine("desktop", 2), machine("tablet", 0), machine("gone", 0, nowMs)],
    }),
    plain,
    nowMs,
  );
  expect(lines).toEqual([
    "listens      0.0.0.0:7899, over TLS 1.3",
    "reached at   laptop.local:7899",
    "certificate  good until 2026-12-22 12:03:05, 30 d from now",
    "authority    sha256:9d2c",
    "may join     1 machine of scope agent, until 12:18:05, 15 min from now",
    "             20 machines of scope observe, until 14:03:05, 2 h from now",
    "connected    desktop (agent), 2 connections, last from 192.0.2.8",
    "let in       2 machines; `peerline machines` lists them",
  ]);
});

test("a machine's line says what it may do, whether it is connected, and when it was used", () => {
  const machines = [machine("desktop", 2), machine("tablet", 0), machine("gone", 0, nowMs)];
  const found = create(ListMachinesResponseSchema, { machines });
  expect(machineLines(found.machines, plain, nowMs)).toEqual([
    "NAME     SCOPE  STATE        USED       FROM",
    "desktop  agent  connected    1 min ago  192.0.2.8",
    "tablet   agent  away         1 min ago  192.0.2.8",
    "gone     agent  revoked now  1 min ago  192.0.2.8",
  ]);
});

test("names and addresses of another broker act on no terminal and make no line of their own", () => {
  const found = create(ListMachinesResponseSchema, {
    listener: { address: hostile, advertisedAddress: hostile, caSha256: hostile },
    machines: [{ ...machine(hostile, 1), lastUseAddress: hostile }],
  });
  const lines = [
    ...sharingLines(found, plain, nowMs),
    ...machineLines(found.machines, plain, nowMs),
  ];
  expect(lines).toHaveLength(7 + 2);
  // oxlint-disable-next-line no-control-regex -- these controls are what it looks for
  expect(lines.join("")).not.toMatch(/[\u0000-\u001F\u202E]/u);
});

function machine(
  name: string,
  connections: number,
  revokedMs?: number,
): MessageInitShape<typeof MachineSchema> {
  return {
    name,
    scope: MachineScope.AGENT,
    lastUseTime: timestampFromMs(nowMs - 60_000),
    lastUseAddress: "192.0.2.8",
    connections,
    ...(revokedMs === undefined ? {} : { revokeTime: timestampFromMs(revokedMs) }),
  };
}
