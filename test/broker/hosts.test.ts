import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PeerScope } from "../../gen/peerline/v1/broker_service_pb.js";
import {
  operatorToken,
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

let broker: TestBroker;
let api: TestPeer;

beforeEach(async () => {
  broker = await startTestBroker();
  api = await broker.join({ name: "api", profile: { host: "laptop.local" } });
});
afterEach(() => broker[Symbol.asyncDispose]());

describe("name@host", () => {
  test("is the peer that asked for the name on that host, also where another has the name", async () => {
    const there = await broker.join({ name: "api", profile: { host: "desktop" } });
    expect(there.name).toBe("api-2");
    expect(await recipientOf("api@desktop")).toBe("api-2");
    expect(await recipientOf("API-2@Desktop")).toBe("api-2");
    expect(await recipientOf("@api@desktop")).toBe("api-2");
    expect(await recipientOf("api@laptop.local")).toBe("api");
    expect(await recipientOf("api@laptop")).toBe("api");
    await api.client.sendMessage({ to: ["api@desktop"], text: "once more" });
    const { records } = await api.client.listMessages({ peer: "api@desktop" });
    expect(records).toHaveLength(4);
    const { peer } = await api.client.getPeer({ peer: "api@desktop" });
    expect(peer?.name).toBe("api-2");
  });

  test("is the peer of exactly that name before one that asked for it", async () => {
    await broker.join({ name: "api", profile: { host: "desktop" } });
    await api.client.updatePeer({ name: "web" });
    const exact = await broker.join({ name: "api", profile: { host: "desktop" } });
    expect(exact.name).toBe("api");
    expect(await recipientOf("api@desktop")).toBe("api");
  });

  test("that fits several is refused, with their names", async () => {
    await broker.join({ name: "api", profile: { host: "desktop" } });
    await broker.join({ name: "api", profile: { host: "desktop" } });
    const call = api.client.sendMessage({ to: ["api@desktop"], text: "x" });
    expect(await reasonOf(call)).toBe("PEER_AMBIGUOUS");
    await expect(call).rejects.toThrow("api-2, api-3");
  });

  test("is no peer that took another name since, and none of a name that only looks like it", async () => {
    const there = await broker.join({ name: "api", profile: { host: "desktop" } });
    await there.client.updatePeer({ name: "backend" });
    await broker.join({ name: "api-desktop", profile: { host: "desktop" } });
    const call = api.client.sendMessage({ to: ["api@desktop"], text: "x" });
    expect(await reasonOf(call)).toBe("PEER_NOT_FOUND");
    const answer = await there.client.sendMessage({ to: ["api-desktop"], text: "question" });
    const reply = { to: ["api@desktop"], text: "x", inReplyTo: answer.messageId };
    expect(await reasonOf(there.client.sendMessage(reply))).toBe("PEER_NOT_FOUND");
    await expect(api.client.sendMessage({ to: ["api@nowhere"], text: "x" })).rejects.toThrow(
      "did you mean api",
    );
  });

  test("of a host that many spaces or signs stand for takes no time", async () => {
    const to = [`${" ".repeat(500_000)}x${"@".repeat(500_000)}`];
    expect(await reasonOf(api.client.sendMessage({ to, text: "x" }))).toBe("PEER_NOT_FOUND");
  });
});

describe("scopes", () => {
  const origin = "github.com/acme/shop";

  test("two clones of one origin are one repository on two hosts, and two directories", async () => {
    const place = { cwd: "/src/shop", root: "/src/shop", repository: origin };
    const one = await broker.join({ name: "one", profile: { ...place, host: "laptop" } });
    await broker.join({ name: "two", profile: { ...place, host: "desktop" } });
    const fork = { ...place, root: "/fork", repository: "github.com/other/shop" };
    await broker.join({ name: "fork", profile: { ...fork, host: "laptop" } });
    const older = { ...place, repository: "/src/shop/.git", host: "laptop" };
    await broker.join({ name: "older", profile: older });
    expect(await names(one, PeerScope.REPOSITORY)).toEqual(["older", "one", "two"]);
    expect(await names(one, PeerScope.DIRECTORY)).toEqual(["fork", "older", "one"]);
    expect(await names(one, PeerScope.MACHINE)).toEqual(["fork", "older", "one"]);
  });

  test("what is neither a path nor the name of an origin is kept of nobody", async () => {
    const repository = "https://me:hunter2@github.com/acme/shop.git";
    const one = await broker.join({ name: "one", profile: { host: "laptop", repository } });
    await one.client.updatePeer({ repository });
    const { peers } = await broker.client(operatorToken).listPeers({});
    expect(peers.map(({ profile }) => profile?.repository)).toEqual(["", ""]);
  });
});

test("a delivery and a backlog say the sender's host where that is another than the reader's", async () => {
  const web = await broker.join({ name: "web", profile: { host: "desktop" } });
  const near = await broker.join({ name: "near", profile: { host: "laptop.local" } });
  const stream = api.subscribe({ maxMessages: 2 });
  await stream.expect("started");
  await web.client.sendMessage({ to: ["api"], text: "1" });
  expect(await stream.expect("delivery")).toMatchObject({ senderHost: "desktop" });
  await near.client.sendMessage({ to: ["api"], text: "2" });
  expect(await stream.expect("delivery")).toMatchObject({ senderHost: "" });
  await web.client.sendMessage({ to: ["api"], text: "3" });
  expect(await stream.expect("backlog")).toMatchObject({
    senders: ["web"],
    senderHosts: ["desktop"],
  });
  await stream.cancel();
});

async function recipientOf(to: string): Promise<string | undefined> {
  const { results } = await api.client.sendMessage({ to: [to], text: `hello ${to}` });
  return results[0]?.recipient?.name;
}

async function names({ client }: TestPeer, scope: PeerScope): Promise<string[]> {
  const { peers } = await client.listPeers({ scope });
  return peers.map(({ name }) => name).toSorted();
}
