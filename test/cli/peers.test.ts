import { homedir, hostname } from "node:os";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import pc from "picocolors";
import stringWidth from "string-width";
import { expect, test } from "vitest";
import { PeerKind, PeerSchema, Reach } from "../../gen/peerline/v1/peer_pb.js";
import { peerLines } from "../../src/cli/commands/peers.js";

const nowMs = 1_000_000_000;
const api = create(PeerSchema, {
  name: "api",
  kind: PeerKind.AGENT,
  online: true,
  reach: Reach.NEXT_TURN,
  waitingMessages: 2n,
  profile: {
    clientName: "codex",
    clientVersion: "0.169.0",
    host: hostname(),
    cwd: `${homedir()}/src/api`,
    branch: "main",
    summary: "adapting the handlers to the new type",
  },
});
const ada = create(PeerSchema, {
  name: "ada",
  kind: PeerKind.PERSON,
  reach: Reach.STORED,
  lastSeenTime: timestampFromMs(nowMs - 7_200_000),
  profile: { host: "elsewhere", cwd: "/srv", clientName: "peerline" },
});

test("peers stand in a table, each with its work below", () => {
  expect(peerLines([api, ada], terminal(80), nowMs)).toEqual([
    "   NAME  REACH      WAITING  CLIENT         WHERE             SEEN",
    "●  api   next turn  2        codex 0.169.0  ~/src/api (main)  now",
    "   adapting the handlers to the new type",
    "○  ada   stored     -        a person       elsewhere:/srv    2 h ago",
  ]);
});

test("a peer is one line of the terminal, whatever it says of itself", () => {
  const row = "●  ada    wakes  99  a person  /  now";
  const loud = create(PeerSchema, {
    name: "loud",
    kind: PeerKind.AGENT,
    online: true,
    profile: {
      clientName: "x".repeat(60),
      cwd: `/${"y ".repeat(200)}${row}`,
      branch: "z".repeat(200),
    },
  });
  for (const width of [70, 80, 120]) {
    const lines = peerLines([api, loud, ada], terminal(width), nowMs);
    expect(lines).toHaveLength(5);
    for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(width);
    expect(lines.filter((line) => line.startsWith("●  ada"))).toEqual([]);
  }
});

test("a summary is cut to the terminal's width", () => {
  expect(peerLines([api], terminal(20), nowMs)[2]).toBe("   adapting the han…");
});

test("what a peer says of itself cannot act on the terminal", () => {
  const peer = create(PeerSchema, {
    name: "x",
    profile: { summary: "a\u001B[2J\nb", branch: "\u202Emain", cwd: "/tmp\u0007" },
  });
  const lines = peerLines([peer], terminal(80), nowMs);
  expect(lines.join("")).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  expect(lines).toHaveLength(3);
});

function terminal(width: number) {
  return { color: pc.createColors(false), width };
}
