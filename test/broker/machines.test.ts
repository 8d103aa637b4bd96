import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.js";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { PeerScope } from "../../gen/peerline/v1/broker_service_pb.js";
import { MachineScope } from "../../gen/peerline/v1/machine_pb.js";
import {
  maxCallsOfMachine,
  maxConnectionsOfMachine,
  maxGuessBurst,
  maxMachines,
  maxMachineWatches,
  maxOperatorWatches,
  maxStreamsOfMachine,
  maxWatchesOfMachine,
  movedAgainMs,
} from "../../src/broker/limits.js";
import { networkOf } from "../../src/broker/machines/guesses.js";
import { StoreError, type Store } from "../../src/broker/store/store.js";
import { createClient, type Channel } from "../../src/rpc/client.js";
import { Code, hasCode, RpcError } from "../../src/rpc/error.js";
import type { HandlerContext } from "../../src/rpc/server.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { eventually, newSecret, reasonIn, reasonOf, TestStream } from "../support/test-broker.js";
import { startSharedBroker, type BrokerClient, type SharedBroker } from "./shared-broker.js";
import { machinesOf, peersOf } from "../contract/store/records.js";

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

test("no more machines are let in than may be, however many enrol at once, and no token is used for the others", async () => {
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const memory = openMemoryStore({ clock });
  // As a disk does, it lets other calls come meanwhile.
  const enrol: Store["peers"]["enrol"] = async (tokenHash, newcomer) => {
    await setImmediate();
    return memory.peers.enrol(tokenHash, newcomer);
  };
  const { broker, operator } = await startSharedBroker({
    store: { ...memory, peers: { ...memory.peers, enrol } },
    clock,
  });
  const { token } = await operator.createEnrolment({ uses: 1000 });
  const clients = Array.from({ length: 4 }, () => broker.client());
  const count = maxMachines + 40;
  const outcomes = await Promise.all(
    Array.from({ length: count }, (_, index) => {
      const request = { token, credential: newSecret(), name: "bulk" };
      const by = clients[index % clients.length];
      return limitOf(by?.enrol(request) ?? Promise.reject(new Error("no client")));
    }),
  );
  const letIn = outcomes.filter((limit) => limit === undefined);
  expect(letIn).toHaveLength(maxMachines);
  expect(outcomes.filter((limit) => limit === "machines")).toHaveLength(count - maxMachines);
  const { machines, enrolments } = await operator.listMachines({});
  expect(machines).toHaveLength(maxMachines);
  expect(enrolments).toMatchObject([{ usesLeft: 1000 - maxMachines }]);
});

/** A store whose writes of a machine wait for `gate`, and are counted as they begin. */
function holdingStore(clock: StoppedClock) {
  const memory = openMemoryStore({ clock });
  const held = { began: 0, gate: Promise.resolve() };
  const putMachine: Store["peers"]["putMachine"] = async (machine) => {
    held.began++;
    await held.gate;
    await memory.peers.putMachine(machine);
  };
  const store: Store = { ...memory, peers: { ...memory.peers, putMachine } };
  /** Closes the gate; the result opens it, or makes what waits there fail. */
  const close = () => {
    const gate = new AbortController();
    held.gate = new Promise((resolve, reject) => {
      gate.signal.addEventListener("abort", () => {
        if (gate.signal.reason instanceof StoreError) reject(gate.signal.reason);
        else resolve();
      });
    });
    return (failure?: StoreError) => gate.abort(failure);
  };
  return { store, held, close };
}

test("a machine that calls from several addresses in turn is noted once in some seconds, and one note waits", async () => {
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const { store, held, close } = holdingStore(clock);
  const { broker, operator, enrol } = await startSharedBroker({ store, clock });
  const credential = await enrol("desktop");
  const addresses = ["192.0.2.1", "192.0.2.2"].map((address) => callFrom(address, credential));
  const callFromEach = async () => {
    for (const context of addresses) broker.broker.admit(context)?.[Symbol.dispose]();
    await setImmediate();
  };
  for (let call = 0; call < 50; call++) await callFromEach();
  expect(held.began).toBe(0);
  clock.advance(movedAgainMs);
  const open = close();
  for (let call = 0; call < 50; call++) {
    await callFromEach();
    // A note for each call is due from here on.
    if (call >= 25) clock.advance(movedAgainMs);
  }
  expect(held.began).toBe(1);
  open();
  await eventually(async () => {
    const { machines } = await operator.listMachines({});
    expect(held.began).toBe(2);
    expect(machines).toMatchObject([{ lastUseAddress: expect.stringMatching(/^192/) }]);
    expect(await machinesOf(store)).toMatchObject([{ revision: 3 }]);
  });
});

test("a machine is refused, and its sessions end, before the store knows that it was revoked", async () => {
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const { store, held, close } = holdingStore(clock);
  const { broker, operator, client, enrol } = await startSharedBroker({ store, clock });
  const credential = await enrol("desktop");
  const { sessionToken: token } = await client({ credential }).register({ secret: newSecret() });
  const stream = new TestStream(client({ credential, token }), {});
  await stream.expect("started");
  const open = close();
  // A note of its use is under way.
  clock.advance(movedAgainMs);
  broker.broker.admit(callFrom("192.0.2.1", credential))?.[Symbol.dispose]();

  const revoking = reasonOf(operator.revokeMachine({ name: "desktop" }));
  await stream.expect("closing");
  const refused = async () => reasonOf(client({ credential }).getServerInfo({}));
  expect(await refused()).toBe("MACHINE_UNKNOWN");
  open(new StoreError("FULL", "The disk is full."));
  expect(await revoking).toBe("STORE_FULL");
  expect(await refused()).toBe("MACHINE_UNKNOWN");
  expect(await machinesOf(store)).toMatchObject([{ revokeTimeMs: 0 }]);

  held.gate = Promise.resolve();
  await operator.revokeMachine({ name: "desktop" });
  expect(await machinesOf(store)).toMatchObject([{ name: "desktop", revokeTimeMs: clock.now() }]);
  expect(await refused()).toBe("MACHINE_UNKNOWN");
});

test("what waits while its machine is revoked makes no peer, opens no session and changes nothing", async () => {
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const memory = openMemoryStore({ clock });
  const gates = { create: Promise.resolve(), update: Promise.resolve() };
  const begun = { create: 0, update: 0 };
  const close = (operation: keyof typeof gates) => {
    const gate = new AbortController();
    gates[operation] = new Promise((resolve) => {
      gate.signal.addEventListener("abort", () => resolve());
    });
    return () => gate.abort();
  };
  const through =
    (operation: keyof typeof gates): Store["peers"]["create"] =>
    async (peer) => {
      begun[operation]++;
      await gates[operation];
      await memory.peers[operation](peer);
    };
  const store: Store = {
    ...memory,
    peers: { ...memory.peers, create: through("create"), update: through("update") },
  };
  const { operator, client, enrol } = await startSharedBroker({ store, clock });
  const credential = await enrol("desktop");
  const { sessionToken: token } = await client({ credential }).register({ secret: newSecret() });
  const own = client({ credential, token });
  await own.updatePeer({ summary: "first" });

  Object.assign(begun, { create: 0, update: 0 });
  const openings = [close("update"), close("create")];
  const changes = ["second", "third"].map((summary) => reasonOf(own.updatePeer({ summary })));
  const late = client({ credential });
  const registrations = ["one", "two", "three"].map((name) =>
    reasonOf(late.register({ secret: newSecret(), name })),
  );
  await eventually(() => expect(begun).toEqual({ create: 1, update: 1 }));
  // Their requests have come before this answer leaves.
  await Promise.all([own.getServerInfo({}), late.getServerInfo({})]);
  await operator.revokeMachine({ name: "desktop" });
  for (const open of openings) open();
  const unknown = "MACHINE_UNKNOWN";
  expect(await Promise.all(registrations)).toEqual([unknown, unknown, unknown]);
  expect((await Promise.all(changes))[1]).toBe("TOKEN_INVALID");
  expect(begun.create).toBe(1);
  const peers = await peersOf(store);
  expect(peers.map(({ profile }) => profile.summary)).toEqual(["second"]);
});

/** Guesses over connections of their own, until one gets no answer; how many were answered. */
async function guess({ client }: SharedBroker, most = 10_000): Promise<number> {
  for (let answered = 0; answered < most; answered++) {
    const own = client({ credential: newSecret() });
    const error = await own.getServerInfo({}, { timeoutMs: 5000 }).catch((cause: unknown) => cause);
    if (hasCode(error, Code.Unavailable)) return answered;
    expect(reasonIn(error)).toBe("MACHINE_UNKNOWN");
  }
  return most;
}

test("guesses from one address are cut off after a hundred, until it is quiet", async () => {
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const shared = await startSharedBroker({ clock });
  const answered = await guess(shared);
  expect(answered).toBeGreaterThan(90);
  expect(answered).toBeLessThan(110);
  // Nobody gets in from there any more, with whatever proof, and from elsewhere everybody.
  const { token } = await shared.operator.createEnrolment({});
  const enrol = () =>
    shared.client().enrol({ token, credential: newSecret(), name: "x" }, { timeoutMs: 5000 });
  await expect(enrol()).rejects.toMatchObject({ code: Code.Unavailable });
  const { door } = shared.broker.broker;
  expect(door.begins("127.0.0.1")).toBe(false);
  expect(door.begins("127.0.0.2")).toBe(true);
  clock.advance(5000);
  await enrol();
});

test("a machine that is let in does not suffer from who guesses behind the same address", async () => {
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const shared = await startSharedBroker({ clock });
  const credential = await shared.enrol("desktop");
  const before = shared.client({ credential });
  await before.getServerInfo({});
  // Each wrong one still hears why, and costs its connection.
  expect(await guess(shared, maxGuessBurst + 20)).toBe(maxGuessBurst + 20);
  await before.getServerInfo({});
  await shared.client({ credential }).getServerInfo({});
  const { door } = shared.broker.broker;
  expect(door.begins("127.0.0.1")).toBe(true);
  // Once it is let in no more, its address is as any other.
  await shared.operator.revokeMachine({ name: "desktop" });
  expect(door.begins("127.0.0.1")).toBe(false);
  clock.advance(5000);
  expect(door.begins("127.0.0.1")).toBe(true);
});

test("connections that end without a proof count as guesses, and one that proves itself does not", async () => {
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const { door } = (await startSharedBroker({ clock })).broker.broker;
  const begin = (address: string, proves: boolean): number => {
    let begun = 0;
    while (begun < 1000 && door.begins(address)) {
      begun++;
      if (proves) door.proved(address);
    }
    return begun;
  };
  expect(begin("192.0.2.1", false)).toBe(maxGuessBurst);
  expect(begin("192.0.2.2", true)).toBe(1000);
  // All of a network of IPv6 is one.
  expect(begin("2001:db8::1", false)).toBe(maxGuessBurst);
  expect(begin("2001:db8::2", false)).toBe(0);
});

describe("one machine", () => {
  test("has a bounded number of connections, and hears which bound that is", async () => {
    const { client, enrol } = await startSharedBroker();
    const credential = await enrol("desktop");
    const open = Array.from({ length: maxConnectionsOfMachine }, () => client({ credential }));
    await Promise.all(open.map((one) => one.getServerInfo({})));
    expect(await limitOf(client({ credential }).getServerInfo({}))).toBe("connections_of_machine");
    await client({ credential: await enrol("laptop") }).getServerInfo({});
    await Promise.all(open.map((one) => one.getServerInfo({})));
  });

  test("has a bounded number of streams, of whatever kind, and others go on", async () => {
    const { broker, channel, client, enrol } = await startSharedBroker();
    const credential = await enrol("desktop");
    const streams = Array.from({ length: 10 }, () => channel(credential)).flatMap((via) =>
      Array.from({ length: 100 }, () => watchHealth(via)),
    );
    const outcomes = await Promise.all(streams.map((stream) => limitOf(stream.next())));
    const refused = outcomes.filter((limit) => limit !== undefined);
    expect(refused).toHaveLength(1000 - maxStreamsOfMachine);
    expect(new Set(refused)).toEqual(new Set(["streams_of_machine"]));
    await client({ credential }).getServerInfo({});

    expect(await limitOf(watchHealth(channel(await enrol("laptop"))).next())).toBeUndefined();
    const local = await broker.join();
    await local.subscribe().expect("started");
    // A place is free again once a stream has ended.
    for (const stream of streams) await stream.return?.();
    const last = channel(credential);
    await eventually(async () => expect(await limitOf(watchHealth(last).next())).toBeUndefined());
  });

  test("has a bounded number of calls", async () => {
    const { broker, enrol } = await startSharedBroker();
    const context = callFrom("127.0.0.1", await enrol("desktop"));
    const call = async () => broker.broker.admit(context);
    const first = await call();
    for (let open = 1; open < maxCallsOfMachine; open++) await call();
    expect(await limitOf(call())).toBe("calls_of_machine");
    first?.[Symbol.dispose]();
    expect(await limitOf(call())).toBeUndefined();
  });

  test("watches a bounded number of times without a session, and all together leave room for the operator", async () => {
    const { operator, client, enrol } = await startSharedBroker();
    const times = async (count: number, by: BrokerClient) => {
      for (let open = 0; open < count; open++) expect(await watchMessages(by)).toBeUndefined();
    };
    for (let open = 0; open < maxMachineWatches; open += maxWatchesOfMachine) {
      const own = client({ credential: await enrol("observer", MachineScope.OBSERVE) });
      await times(maxWatchesOfMachine, own);
      expect(await watchMessages(own)).toBe("watches_of_machine");
    }
    const late = client({ credential: await enrol("late", MachineScope.OPERATE) });
    expect(await watchMessages(late)).toBe("machine_watches");
    await times(maxOperatorWatches, operator);
    expect(await watchMessages(operator)).toBe("operator_watches");
  });
});

function callFrom(address: string, credential: string): HandlerContext {
  return {
    method: "/peerline.v1.BrokerService/SendMessage",
    isStream: false,
    signal: new AbortController().signal,
    connection: { closed: new AbortController().signal, address, close() {} },
    end() {},
    header: () => credential,
  };
}

function watchHealth(via: Channel) {
  return createClient(Health, via).watch({})[Symbol.asyncIterator]();
}

async function watchMessages(by: BrokerClient): Promise<string | undefined> {
  return limitOf(by.watchMessages({})[Symbol.asyncIterator]().next());
}

/** The bound that a call meets; undefined where it meets none. */
async function limitOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return error.findDetail(ErrorInfoSchema)?.metadata["limit"] ?? error.message;
  }
}

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8::1", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
])("%s guesses as %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
