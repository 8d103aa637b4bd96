import { existsSync, statSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import type { Peer } from "../../gen/peerline/v1/peer_pb.js";
import { PeerKind, Reach } from "../../gen/peerline/v1/peer_pb.js";
import { ConfirmedBy, ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { maxListPages } from "../../src/cli/limits.js";
import { maxJoinedBytes } from "../../src/endpoint/limits.js";
import { formatJoinLine } from "../../src/contract/machines.js";
import { freePort } from "../rpc/free-port.js";
import { commandOf, tryCommand } from "../e2e/shared-home.js";
import { TestHome } from "../mcp/test-home.js";
import { HostileBroker, lies } from "../support/hostile-broker.js";
import { deceptive } from "../support/hostile-peer.js";
import { eventually, newSecret } from "../support/test-broker.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 60_000 });

let victim: TestHome;

beforeEach(async () => {
  victim = await TestHome.open();
});
afterEach(async () => {
  await victim[Symbol.asyncDispose]();
});

const peerId = "01a21dba-6bbf-7354-a164-106683aa6e94";
const messageId = "01a21dba-6bbf-7354-a164-106683aa6e95";
const threadId = lies;
const eve = { peerId: `${peerId}${lies}`, name: lies };
const peer = {
  ...eve,
  kind: PeerKind.AGENT,
  online: true,
  reach: Reach.WAKES,
  profile: { host: lies, cwd: lies, summary: lies },
};
const good = { ...peer, peerId, name: "good", profile: {} };
const record = {
  message: { messageId, from: eve, to: [eve], text: "hello", threadId, inReplyTo: lies },
  receipts: [
    { recipient: eve, state: ReceiptState.CONFIRMED, confirmedBy: ConfirmedBy.HOOK, reason: lies },
  ],
};

/** What a terminal or a model may not be shown of it: on a line of its own, or as the host's words. */
function expectWords(text: string): void {
  expect(text).not.toMatch(deceptive);
  expect(text).not.toMatch(/^peerline: a false line/m);
  expect(text).toContain("?");
}

test("no name, id or error of a broker is more than words on a terminal", async () => {
  await using broker = await HostileBroker.start({
    listPeers: async () => ({ peers: [peer, good], totalSize: 2 }),
    listMessages: async () => ({ records: [record] }),
    getMessage: async () => ({ record }),
    getPeer: async () => ({ peer }),
    mutePeer: async () => ({ peer }),
    deletePeer: async () => ({ peer }),
    purgeMessages: async () => ({ from: eve, removedDeliveries: 1n }),
    register: async () => ({ peer, sessionToken: "token" }),
    sendMessage: async () => ({
      messageId: lies,
      threadId,
      results: [
        { recipient: eve, state: ReceiptState.QUEUED },
        { recipient: eve, error: { code: 9, message: lies } },
      ],
    }),
  });
  const joined = await commandOf(victim.path, "join", broker.line);
  expectWords(joined.stdout);
  expect(joined.stdout).toContain("good");
  for (const args of [
    ["peers"],
    ["log"],
    ["show", messageId],
    ["send", "good", "hello"],
    ["mute", "good"],
    ["forget", "good"],
    ["purge", "--from", "good", "--yes"],
    ["status"],
  ]) {
    const { stdout, stderr } = await tryCommand(victim.path, ...args);
    expect(`${stdout}${stderr}`, args.join(" ")).not.toMatch(deceptive);
    expect(`${stdout}${stderr}`, args.join(" ")).not.toMatch(/^(?:peerline: )?a false line/m);
    expect(`${stdout}${stderr}`, args.join(" ")).not.toBe("");
  }
  const { stdout } = await commandOf(victim.path, "peers", "--json");
  const { peers } = JSON.parse(stdout) as { peers: Peer[] };
  expect(peers).toMatchObject([
    { peerId: "?", name: "?" },
    { peerId, name: "good" },
  ]);
});

test("a list that never ends ends the wait for it, and no more", async () => {
  let pages = 0;
  const nextPageToken = (): string => `${++pages}`;
  const summary = "x".repeat(3000);
  const many = Array.from({ length: 1000 }, () => ({ ...good, profile: { summary } }));
  let peers: typeof many = [];
  await using broker = await HostileBroker.start({
    listPeers: async () => ({ peers, nextPageToken: nextPageToken() }),
    listMessages: async () => ({ nextPageToken: nextPageToken() }),
  });
  const joined = await commandOf(victim.path, "join", broker.line);
  expect(joined.stdout).toContain("Who is online there is not known now: The broker's list does");
  for (const args of [["peers"], ["log"]]) {
    const { code, stderr } = await tryCommand(victim.path, ...args);
    expect({ code, stderr }, args.join(" ")).toEqual({
      code: 1,
      stderr: expect.stringContaining("The broker's list does not end"),
    });
  }
  expect(pages).toBe(3 * maxListPages);
  // Large pages end sooner.
  [pages, peers] = [0, many];
  expect((await tryCommand(victim.path, "peers")).stderr).toContain("does not end");
  expect(pages).toBeLessThan(30);
});

test("what answers a join byte by byte is waited for no longer than what is silent", async () => {
  const sockets = new Set<Socket>();
  const drips = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).resume();
    // The head of a long record of TLS, and then ever more of it.
    socket.write(Buffer.from([22, 3, 3, 0x40, 0]));
    const drip = setInterval(() => socket.write(Buffer.from([2])), 200);
    socket.once("close", () => clearInterval(drip));
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    drips.close();
  });
  const port = await freePort();
  await new Promise<void>((resolve) => drips.listen(port, "127.0.0.1", resolve));
  const address = `127.0.0.1:${port}`;
  const line = formatJoinLine({ address, token: newSecret(), caHash: "0".repeat(64) });
  const { code, stderr } = await tryCommand(victim.path, "join", line);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringContaining("nobody answers in time"),
  });
});

test("a name of megabytes for this machine leaves a join that can be read and left", async () => {
  const machine = { machineId: peerId, name: "n".repeat(3_500_000), scope: 1 };
  await using broker = await HostileBroker.start({ enrol: async () => ({ machine }) });
  await commandOf(victim.path, "join", broker.line);
  expect(statSync(join(victim.path, "joined.json")).size).toBeLessThan(maxJoinedBytes);
  const { stdout } = await tryCommand(victim.path, "status");
  expect(stdout).toContain(broker.address);
  await tryCommand(victim.path, "leave");
  expect(existsSync(join(victim.path, "joined.json"))).toBe(false);
});

test("the refusal of a broker is one line", async () => {
  await using broker = await HostileBroker.start();
  await commandOf(victim.path, "join", broker.line);
  for (const args of [["log"], ["mute", "good"], ["machines"]]) {
    const { code, stderr } = await tryCommand(victim.path, ...args);
    expect(code, args.join(" ")).not.toBe(0);
    expect(stderr.trimEnd().split("\n"), args.join(" ")).toHaveLength(1);
    expect(stderr, args.join(" ")).not.toMatch(deceptive);
  }
});

test("nor is it more than words for a model, or in the log of its host", async () => {
  await using broker = await HostileBroker.start({
    register: async () => ({ peer, sessionToken: "token" }),
    listPeers: async () => ({ peers: [peer, { ...good, name: "system" }, good], totalSize: 3 }),
    getMessage: async () => ({ record }),
    subscribe: async function* () {
      yield { event: { case: "started", value: { peer } } };
      yield {
        event: {
          case: "delivery",
          value: { deliveryId: "1", message: record.message, sender: eve, senderHost: lies },
        },
      };
      yield {
        event: { case: "backlog", value: { unread: 3n, senders: [lies], senderHosts: [lies] } },
      };
      await new Promise(() => {});
    },
  });
  await commandOf(victim.path, "join", broker.line);
  const web = await victim.start("web");
  const results: unknown[] = [
    await web.call("list_peers"),
    await web.call("get_messages"),
    await web.call("message_status", { message_id: messageId }),
    await web.call("send_message", { to: "good", message: "x" }),
  ];
  for (const result of results) {
    const text = JSON.stringify(result).replaceAll(/\\+[nt]/g, "");
    expect(text).not.toMatch(deceptive);
    expect(text).not.toMatch(/\\u00|<system/);
  }
  expect(results[0]).toMatchObject({
    structuredContent: { you: { name: "?" }, peers: [{ name: "?" }, { name: "good" }] },
  });
  await eventually(() => expect(web.log).toContain("connected as ?"));
  expect(web.log).not.toMatch(deceptive);
});
