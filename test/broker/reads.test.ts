import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Outcome, PeerScope } from "../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  operatorToken,
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

let broker: TestBroker;
let api: TestPeer;
let web: TestPeer;

beforeEach(async () => {
  broker = await startTestBroker();
  api = await broker.join({ name: "api", profile: { host: "box", cwd: "/src/api", root: "/src" } });
  web = await broker.join({ name: "web", profile: { host: "box", cwd: "/src/web", root: "/src" } });
});
afterEach(() => broker[Symbol.asyncDispose]());

describe("credentials", () => {
  test("a call without a token, or with a wrong one, is refused", async () => {
    expect(await reasonOf(broker.client().listPeers({}))).toBe("TOKEN_MISSING");
    expect(await reasonOf(broker.client("wrong").listPeers({}))).toBe("TOKEN_INVALID");
  });

  test("the operator reads all, acts as no peer, and alone may stop the broker", async () => {
    const operator = broker.client(operatorToken);
    await api.client.sendMessage({ to: ["web"], text: "hello" });
    const { records } = await operator.listMessages({});
    expect(records[0]?.receipts[0]?.state).toBe(ReceiptState.QUEUED);
    expect(await reasonOf(operator.sendMessage({ to: ["web"], text: "x" }))).toBe("NOT_ALLOWED");
    expect(await reasonOf(api.client.stopBroker({}))).toBe("NOT_ALLOWED");
    expect(broker.stopsAsked).toBe(0);
    await operator.stopBroker({});
    expect(broker.stopsAsked).toBe(1);
  });

  test("GetServerInfo needs none, and states every bound", async () => {
    const info = await broker.client().getServerInfo({});
    const limits = new Map(info.limits.map(({ name, maximum }) => [name, maximum]));
    expect(limits.get("text_bytes")).toBe(16384n);
    expect(limits.get("queue_messages")).toBeGreaterThan(0n);
    expect(info).toMatchObject({ version: "0.0.0-test", knownPeers: 2, pid: process.pid });
  });
});

describe("ListPeers", () => {
  test("shows those online first, by scope, page by page", async () => {
    const far = await broker.join({
      name: "far",
      profile: { host: "other", cwd: "/src/api", root: "/src" },
    });
    const stream = web.subscribe();
    await stream.expect("started");
    expect((await names(api, {}))[0]).toBe("web");
    expect((await names(api, { scope: PeerScope.REPOSITORY })).toSorted()).toEqual(["api", "web"]);
    expect(await names(api, { scope: PeerScope.DIRECTORY })).toEqual(["api"]);
    expect(await names(api, { onlineOnly: true })).toEqual(["web"]);

    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await far.client.listPeers({ pageSize: 1, pageToken });
      expect(page.totalSize).toBe(3);
      seen.push(...page.peers.map((peer) => peer.name));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen.toSorted()).toEqual(["api", "far", "web"]);
    await stream.cancel();
  });

  test("counts as one repository what has one root, or one repository, on one host", async () => {
    const main = await broker.join({
      name: "main",
      profile: { host: "machine", root: "/shop", repository: "/shop/.git" },
    });
    const fix = await broker.join({
      name: "fix",
      profile: { host: "machine", root: "/fix", repository: "/shop/.git" },
    });
    // A client that does not know of repositories.
    const older = await broker.join({ name: "older", profile: { host: "machine", root: "/shop" } });
    await broker.join({
      name: "elsewhere",
      profile: { host: "other", root: "/fix", repository: "/shop/.git" },
    });
    const none = await broker.join({ name: "none", profile: { host: "machine", cwd: "/shop" } });
    const inRepository = async (peer: typeof main) =>
      (await names(peer, { scope: PeerScope.REPOSITORY })).toSorted();
    expect(await inRepository(main)).toEqual(["fix", "main", "older"]);
    expect(await inRepository(fix)).toEqual(["fix", "main"]);
    expect(await inRepository(older)).toEqual(["main", "older"]);
    expect(await reasonOf(inRepository(none))).toBe("FIELD_INVALID");
    await fix.client.updatePeer({ repository: "" });
    expect(await inRepository(main)).toEqual(["main", "older"]);
  });

  test("peers that were seen at the same moment are each on one page, whatever its size", async () => {
    const clock = new StoppedClock();
    await using still = await startTestBroker({ store: openMemoryStore({ clock }), clock });
    for (let index = 0; index < 9; index++) await still.join({ name: `same-${index}` });
    const operator = still.client(operatorToken);
    for (const pageSize of [1, 2, 4]) {
      const listed: string[] = [];
      let pageToken = "";
      do {
        const page = await operator.listPeers({ pageSize, pageToken });
        listed.push(...page.peers.map(({ name }) => name));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      expect(listed).toHaveLength(9);
      expect(new Set(listed).size).toBe(9);
    }
  });

  test("refuses a page token of somebody else's making, and a scope that cannot be answered", async () => {
    const { nextPageToken } = await api.client.listPeers({ pageSize: 1 });
    expect(nextPageToken).not.toBe("");
    const foreign = [
      "%%%",
      "!!",
      "W10",
      `${nextPageToken}!!`,
      `!!${nextPageToken}`,
      ` ${nextPageToken}`,
    ];
    for (const pageToken of foreign) {
      expect(await reasonOf(api.client.listPeers({ pageSize: 1, pageToken }))).toBe(
        "FIELD_INVALID",
      );
    }
    expect(
      await reasonOf(broker.client(operatorToken).listPeers({ scope: PeerScope.MACHINE })),
    ).toBe("FIELD_INVALID");
  });
});

describe("WatchPeers", () => {
  test("sends a snapshot, then what changes", async () => {
    const abort = new AbortController();
    const events = api.client.watchPeers({}, { signal: abort.signal })[Symbol.asyncIterator]();
    const next = async () => (await events.next()).value?.event;
    const snapshot = [await next(), await next()].map((event) => event?.case);
    expect(snapshot).toEqual(["peer", "peer"]);
    expect((await next())?.case).toBe("synced");
    await web.client.updatePeer({ name: "frontend", summary: "forms" });
    expect((await next())?.value).toMatchObject({
      name: "frontend",
      profile: { summary: "forms", cwd: "/src/web" },
    });
    const stream = web.subscribe();
    await stream.expect("started");
    expect((await next())?.value).toMatchObject({ name: "frontend", online: true });
    await web.client.unregister({});
    await stream.failure();
    abort.abort();
    await events.next().catch(() => undefined);
  });
});

describe("UpdatePeer", () => {
  test("renames, and the mail comes along", async () => {
    await api.client.sendMessage({ to: ["web"], text: "hello" });
    await web.client.updatePeer({ name: "frontend" });
    expect(await reasonOf(api.client.sendMessage({ to: ["web"], text: "x" }))).toBe(
      "PEER_NOT_FOUND",
    );
    const stream = web.subscribe();
    await stream.expect("started");
    expect((await stream.expect("delivery")).message?.text).toBe("hello");
    await stream.cancel();
  });

  test("refuses a name in use, and offers a free one", async () => {
    const call = web.client.updatePeer({ name: "api" });
    expect(await reasonOf(call)).toBe("NAME_TAKEN");
    await expect(call).rejects.toThrow('"api-2"');
    expect(await reasonOf(web.client.updatePeer({ name: "???" }))).toBe("FIELD_INVALID");
  });

  test("makes what a peer says of itself one harmless line", async () => {
    const { peer } = await web.client.updatePeer({ summary: "a\u001b[31m\nb\u202ec" });
    expect(peer?.profile?.summary).toBe("a [31m b c");
  });
});

describe("history", () => {
  test("shows each peer its own messages, newest first, with what it may see of the receipts", async () => {
    const other = await broker.join({ name: "other" });
    await api.client.sendMessage({ to: ["web", "other"], text: "to both", threadId: "t1" });
    await other.client.sendMessage({ to: ["web"], text: "to web" });
    expect(await texts(web)).toEqual(["to web", "to both"]);
    expect(await texts(api)).toEqual(["to both"]);
    expect(await texts(web, { peer: "api" })).toEqual(["to both"]);
    expect(await texts(web, { threadId: "t1" })).toEqual(["to both"]);
    expect([await receipts(api), await receipts(web)]).toEqual([2, 1]);
    const page = await web.client.listMessages({ pageSize: 1 });
    expect(page.records).toHaveLength(1);
    expect(await texts(web, { pageSize: 1, pageToken: page.nextPageToken })).toEqual(["to both"]);
    expect(await reasonOf(web.client.listMessages({ pageToken: "nonsense" }))).toBe(
      "FIELD_INVALID",
    );
  });

  test("a page token is good for the same request of the same caller only", async () => {
    for (const text of ["one", "two", "three"]) {
      await api.client.sendMessage({ to: ["web"], text, threadId: "t" });
    }
    const same = { peer: "api", threadId: "t", pageSize: 1 };
    const pageToken = (await web.client.listMessages(same)).nextPageToken;
    // Another page size, and another name for the same peer, make no other request.
    const { peerId = "" } = api.registered.peer ?? {};
    const rest = await web.client.listMessages({ ...same, peer: peerId, pageSize: 9, pageToken });
    expect(rest.records.map(({ message }) => message?.text)).toEqual(["two", "one"]);
    for (const other of [{ peer: "web" }, { threadId: "" }, { state: ReceiptState.QUEUED }]) {
      const call = web.client.listMessages({ ...same, ...other, pageToken });
      expect(await reasonOf(call)).toBe("FIELD_INVALID");
    }
    const operator = broker.client(operatorToken);
    expect(await reasonOf(operator.listMessages({ ...same, pageToken }))).toBe("FIELD_INVALID");

    const first = (await web.client.listPeers({ pageSize: 1 })).nextPageToken;
    expect((await web.client.listPeers({ pageSize: 9, pageToken: first })).peers).toHaveLength(1);
    for (const call of [
      () => web.client.listPeers({ onlineOnly: true, pageToken: first }),
      () => web.client.listPeers({ scope: PeerScope.MACHINE, pageToken: first }),
      () => api.client.listPeers({ pageToken: first }),
      () => web.client.listPeers({ pageToken }),
      () => web.client.listMessages({ pageToken: first }),
    ]) {
      expect(await reasonOf(call())).toBe("FIELD_INVALID");
    }
  });

  test("a page that is asked for too large is as large as pages are", async () => {
    await api.client.sendMessage({ to: ["web"], text: "hello" });
    const limits = (await web.client.getServerInfo({})).limits;
    const most = (wanted: string) =>
      Number(limits.find(({ name }) => name === wanted)?.maximum) + 1;
    const { records } = await web.client.listMessages({ pageSize: most("history_page") });
    expect(records).toHaveLength(1);
    expect((await web.client.listPeers({ pageSize: 2 ** 32 - 1 })).peers).toHaveLength(2);
    for (let count = 0; count < 210; count++) {
      await api.client.sendMessage({ to: ["web"], text: `text ${count}` });
    }
    const page = await web.client.listMessages({ pageSize: 1000 });
    expect(page.records).toHaveLength(200);
    expect(page.nextPageToken).not.toBe("");
  });

  test("peers that say much of themselves are listed in pages that can be sent", async () => {
    const long = "x".repeat(4096);
    const profile = { cwd: `/${long.slice(1)}`, root: long, repository: `/${long.slice(1)}` };
    await Promise.all(
      Array.from({ length: 100 }, (_, index) => broker.join({ name: `much-${index}`, profile })),
    );
    const listed: string[] = [];
    let pageToken = "";
    do {
      const page = await web.client.listPeers({ pageSize: 1000, pageToken });
      expect(page.peers.length).toBeLessThan(100);
      listed.push(...page.peers.map(({ name }) => name));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(new Set(listed).size).toBe(102);
    expect(listed).toHaveLength(102);
  });

  test("one peer is had by its name or id, and one's own without", async () => {
    const own = (await web.client.getPeer({})).peer;
    expect(own?.name).toBe("web");
    const operator = broker.client(operatorToken);
    for (const peer of ["web", own?.peerId ?? "", own?.peerId.slice(-8) ?? ""]) {
      expect((await api.client.getPeer({ peer })).peer).toMatchObject({ name: "web" });
      expect((await operator.getPeer({ peer })).peer).toMatchObject({ name: "web" });
    }
    expect(await reasonOf(operator.getPeer({}))).toBe("FIELD_REQUIRED");
    expect(await reasonOf(api.client.getPeer({ peer: "nobody" }))).toBe("PEER_NOT_FOUND");
    expect(await reasonOf(broker.client().getPeer({ peer: "web" }))).toBe("TOKEN_MISSING");
  });

  test("the broker says what it can do that others may not", async () => {
    const { features } = await broker.client().getServerInfo({});
    expect(features).toContain("get-peer");
    for (const feature of features) expect(feature).toMatch(/^[a-z]+(-[a-z]+)*$/);
  });

  test("a watch ends with the broker, and with its session", async () => {
    const watches = [
      broker.client(operatorToken).watchMessages({}),
      api.client.watchPeers({}),
      web.client.watchPeers({}),
    ].map(async (events) => {
      for await (const event of events) void event;
    });
    const [ofMessages, ofPeers, ofSession] = watches.map((watch) => reasonOf(watch));
    await web.client.unregister({});
    expect(await ofSession).toBe("TOKEN_INVALID");
    await broker.broker.close();
    expect(await Promise.all([ofMessages, ofPeers])).toEqual(["STOPPING", "STOPPING"]);
  });

  test("WatchMessages shows what is accepted and what moves", async () => {
    const abort = new AbortController();
    const watch = broker.client(operatorToken).watchMessages({}, { signal: abort.signal });
    const events = watch[Symbol.asyncIterator]();
    expect((await events.next()).value?.event.case).toBe("started");
    const { messageId } = await api.client.sendMessage({ to: ["web"], text: "hello" });
    const accepted = (await events.next()).value?.event;
    expect(accepted?.value).toMatchObject({
      message: { messageId },
      receipts: [{ state: ReceiptState.QUEUED }],
    });
    const stream = web.subscribe();
    const { deliveryId } = (await stream.expect("started"), await stream.expect("delivery"));
    expect((await events.next()).value?.event.value).toMatchObject({
      messageId,
      receipt: { state: ReceiptState.LEASED },
    });
    await web.client.ackMessages({ acks: [{ deliveryId, outcome: Outcome.CONFIRMED }] });
    expect((await events.next()).value?.event.value).toMatchObject({
      receipt: { state: ReceiptState.CONFIRMED },
    });
    expect(await reasonOf(api.client.watchMessages({})[Symbol.asyncIterator]().next())).toBe(
      "NOT_ALLOWED",
    );
    abort.abort();
    await events.next().catch(() => undefined);
    await stream.cancel();
  });
});

async function texts(peer: TestPeer, request = {}): Promise<(string | undefined)[]> {
  return (await peer.client.listMessages(request)).records.map(({ message }) => message?.text);
}

async function receipts(peer: TestPeer): Promise<number | undefined> {
  return (await peer.client.listMessages({ threadId: "t1" })).records[0]?.receipts.length;
}

async function names(peer: TestPeer, request: object): Promise<string[]> {
  return (await peer.client.listPeers(request)).peers.map(({ name }) => name);
}
