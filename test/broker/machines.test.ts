import { expect, test } from "vitest";
import { PeerScope } from "../../gen/peerline/v1/broker_service_pb.js";
import { MachineScope } from "../../gen/peerline/v1/machine_pb.js";
import { networkOf } from "../../src/broker/machines/guesses.js";
import { Code, hasCode } from "../../src/rpc/error.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { newSecret, reasonOf, TestStream } from "../support/test-broker.js";
import { startSharedBroker } from "./shared-broker.js";

test("an enrolment that is repeated with its credential uses the token once", async () => {
  const { operator, client } = await startSharedBroker();
  const { token } = await operator.createEnrolment({});
  const request = { token, credential: newSecret(), name: "Desktop.Example.org" };
  const [first, second] = [await client().enrol(request), await client().enrol(request)];
  expect(first.machine).toMatchObject({ name: "desktop", scope: MachineScope.AGENT });
  expect(second.machine?.machineId).toBe(first.machine?.machineId);
  const other = client().enrol({ ...request, credential: newSecret() });
  expect(await reasonOf(other)).toBe("ENROLMENT_INVALID");
  expect((await operator.listMachines({})).machines).toHaveLength(1);
});

test("a machine that enrols under a taken name gets a number, and the name of a revoked one", async () => {
  const { operator, enrol } = await startSharedBroker();
  await enrol("desktop");
  await enrol("desktop");
  await operator.revokeMachine({ name: "desktop" });
  await enrol("desktop");
  const { machines } = await operator.listMachines({});
  expect(machines.map(({ name }) => name).toSorted()).toEqual(["desktop", "desktop-2"]);
  expect(machines.every(({ revokeTime }) => revokeTime === undefined)).toBe(true);
});

test("revoking a machine ends its streams and its calls, and leaves others alone", async () => {
  const { operator, client, enrol } = await startSharedBroker();
  const [first, second] = [await enrol("first"), await enrol("second")];
  const join = async (credential: string) => {
    const { sessionToken: token } = await client({ credential }).register({ secret: newSecret() });
    const own = client({ credential, token });
    const stream = new TestStream(own, {});
    await stream.expect("started");
    return { own, stream };
  };
  const [ended, other] = [await join(first), await join(second)];
  expect(await operator.revokeMachine({ name: "first" })).toMatchObject({ endedSessions: 1 });
  await ended.stream.expect("closing");
  expect(await reasonOf(client({ credential: first }).getServerInfo({}))).toBe("MACHINE_UNKNOWN");
  await expect(ended.own.listPeers({})).rejects.toMatchObject({ name: "RpcError" });
  await other.own.updatePeer({ summary: "goes on" });
  await other.stream.cancel();
});

test("a machine lets itself out, and no other", async () => {
  const { operator, client, enrol } = await startSharedBroker();
  const [first] = [await enrol("first", MachineScope.OPERATE), await enrol("second")];
  const own = client({ credential: first });
  expect(await reasonOf(own.revokeMachine({ name: "second" }))).toBe("SCOPE_EXCEEDED");
  expect((await own.revokeMachine({})).machine?.name).toBe("first");
  const { machines } = await operator.listMachines({});
  const letIn = machines.filter(({ revokeTime }) => revokeTime === undefined);
  expect(letIn.map(({ name }) => name)).toEqual(["second"]);
});

test("a peer over TLS is on the host that its credential names, whatever it says", async () => {
  const { broker, client, enrol } = await startSharedBroker();
  const api = await broker.join({ name: "api", profile: { host: "laptop.local", cwd: "/shop" } });
  const register = async (credential: string) => {
    const profile = { host: "laptop.local", cwd: "/shop" };
    const request = { secret: newSecret(), name: "api", profile };
    return client({ credential }).register(request);
  };
  const { peer, sessionToken: token } = await register(await enrol("desktop"));
  expect(peer).toMatchObject({ name: "api-2", profile: { host: "desktop", cwd: "/shop" } });
  await register(await enrol("desktop"));
  const recipientOf = async (to: string) => {
    const { results } = await api.client.sendMessage({ to: [to], text: `hello ${to}` });
    return results[0]?.recipient?.name;
  };
  expect(await recipientOf("api@laptop")).toBe("api");
  expect(await recipientOf("api@desktop")).toBe("api-2");
  expect(await recipientOf("api@desktop-2")).toBe("api-3");
  const { peers } = await api.client.listPeers({ scope: PeerScope.DIRECTORY });
  expect(peers.map(({ name }) => name)).toEqual(["api"]);
  const credential = await enrol("other");
  expect(await reasonOf(client({ credential, token }).listPeers({}))).toBe("SESSION_FOREIGN");
});

test("no machine gets the name of the broker's own, or of a host whose peers come by the socket", async () => {
  const { broker, operator, enrol } = await startSharedBroker({ host: "Laptop.example.org" });
  await broker.join({ name: "web", profile: { host: "forwarded.lan" } });
  for (const name of ["laptop", "LAPTOP.local", "forwarded", "localhost", "free"])
    await enrol(name);
  const { machines } = await operator.listMachines({});
  expect(machines.map(({ name }) => name).toSorted()).toEqual([
    "forwarded-2",
    "free",
    "laptop-2",
    "laptop-3",
    "localhost-2",
  ]);
});

test("the same instance on another machine gets no session of this one's", async () => {
  const { client, enrol } = await startSharedBroker();
  const request = { secret: newSecret(), instanceId: "one" };
  const first = await client({ credential: await enrol("first") }).register(request);
  const again = client({ credential: await enrol("second") }).register(request);
  expect(await reasonOf(again)).toBe("PEER_LIVE");
  expect(first.sessionToken).not.toBe("");
});

test("machines and their last use outlive the broker", async () => {
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const store = openMemoryStore({ clock });
  const before = await startSharedBroker({ store, clock, keepStore: true });
  const credential = await before.enrol("desktop");
  clock.advance(10 * 60_000);
  await before.client({ credential }).getServerInfo({});
  const used = (await before.operator.listMachines({})).machines;
  expect(Number(used[0]?.lastUseTime?.seconds)).toBe(clock.now() / 1000);
  expect(used).toMatchObject([{ connections: 1 }]);
  const after = await startSharedBroker({ store, clock });
  const kept = used.map((machine) => ({ ...machine, connections: 0 }));
  expect((await after.operator.listMachines({})).machines).toEqual(kept);
  await after.client({ credential }).getServerInfo({});
});

test("thousands of guesses from one address are cut off after a hundred, until it is quiet", async () => {
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const { client, enrol } = await startSharedBroker({ clock });
  const credential = await enrol("desktop");
  let answered = 0;
  let isCut = false;
  for (let guess = 0; guess < 10_000 && !isCut; guess++) {
    const error = await client({ credential: newSecret() })
      .getServerInfo({}, { timeoutMs: 5000 })
      .catch((cause: unknown) => cause);
    isCut = hasCode(error, Code.Unavailable);
    if (!isCut) answered++;
  }
  expect(isCut).toBe(true);
  expect(answered).toBeGreaterThan(90);
  expect(answered).toBeLessThan(110);
  const own = client({ credential });
  await expect(own.getServerInfo({}, { timeoutMs: 5000 })).rejects.toMatchObject({
    code: Code.Unavailable,
  });
  clock.advance(5000);
  await client({ credential }).getServerInfo({});
});

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8::1", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
])("%s guesses as %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
