import { describe, expect, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { MachineScope } from "../../gen/peerline/v1/machine_pb.js";
import { createClient } from "../../src/rpc/client.js";
import { newSecret, operatorToken, reasonIn } from "../support/test-broker.js";
import { startSharedBroker, type BrokerClient, type SharedBroker } from "./shared-broker.js";

/** Makes each kind of caller: over TLS, unless it says otherwise. */
const callers = {
  nobody: async ({ client }) => client(),
  "a wrong credential": async ({ client }) => client({ credential: newSecret() }),
  "a revoked machine": async ({ operator, enrol, client }) => {
    const credential = await enrol("revoked");
    await operator.revokeMachine({ name: "revoked" });
    return client({ credential });
  },
  "an agent machine": async ({ enrol, client }) => client({ credential: await enrol("agent") }),
  "its session": async (shared) => shared.client(await openSession(shared)),
  "its session, elsewhere": async (shared) => {
    const { token } = await openSession(shared);
    return shared.client({ credential: await shared.enrol("thief"), token });
  },
  "the operator token, elsewhere": async ({ enrol, client }) =>
    client({ credential: await enrol("operator"), token: operatorToken }),
  "an observe machine": async ({ enrol, client }) =>
    client({ credential: await enrol("observe", MachineScope.OBSERVE) }),
  "an operate machine": async ({ enrol, client }) =>
    client({ credential: await enrol("operate", MachineScope.OPERATE) }),
  "the socket": async ({ broker }) => broker.client(),
  "a session of the socket": async ({ broker }) => (await broker.join()).client,
  "a machine's session on the socket": async (shared) =>
    shared.broker.client((await openSession(shared)).token),
  "the operator": async ({ operator }) => operator,
} satisfies Record<string, (shared: SharedBroker) => Promise<BrokerClient>>;

type Caller = keyof typeof callers;

async function openSession({ enrol, client }: SharedBroker) {
  const credential = await enrol("desktop");
  const { sessionToken: token } = await client({ credential }).register({ secret: newSecret() });
  return { credential, token };
}

/** What each caller hears of a call: "yes", or the reason of its refusal. */
type Policy = Readonly<Record<Caller, string>>;

const noMachine = {
  nobody: "MACHINE_REQUIRED",
  "a wrong credential": "MACHINE_UNKNOWN",
  "a revoked machine": "MACHINE_UNKNOWN",
};

/** Each machine may, and everybody on the socket. */
const machines: Policy = {
  ...noMachine,
  "an agent machine": "yes",
  "its session": "yes",
  "its session, elsewhere": "yes",
  "the operator token, elsewhere": "yes",
  "an observe machine": "yes",
  "an operate machine": "yes",
  "the socket": "yes",
  "a session of the socket": "yes",
  "a machine's session on the socket": "yes",
  "the operator": "yes",
};

const anybody: Policy = {
  ...machines,
  nobody: "yes",
  "a wrong credential": "yes",
  "a revoked machine": "yes",
};

/** A peer may, as itself. */
const sessions: Policy = {
  ...noMachine,
  "an agent machine": "SCOPE_EXCEEDED",
  "its session": "yes",
  "its session, elsewhere": "SESSION_FOREIGN",
  "the operator token, elsewhere": "NOT_ALLOWED",
  "an observe machine": "SCOPE_EXCEEDED",
  "an operate machine": "NOT_ALLOWED",
  "the socket": "TOKEN_MISSING",
  "a session of the socket": "yes",
  "a machine's session on the socket": "SESSION_FOREIGN",
  "the operator": "NOT_ALLOWED",
};

const operators: Policy = {
  ...sessions,
  "its session": "NOT_ALLOWED",
  "a session of the socket": "NOT_ALLOWED",
  "an operate machine": "yes",
  "the operator": "yes",
};

/** Who reads what all peers do. */
const overseers: Policy = { ...operators, "an observe machine": "yes" };

const sessionsAndOperators: Policy = {
  ...sessions,
  "an operate machine": "yes",
  "the operator": "yes",
};

const readers: Policy = { ...sessionsAndOperators, "an observe machine": "yes" };

/** The operator on the broker's own machine, and no other one whatever its scope. */
const owner: Policy = {
  ...operators,
  "an operate machine": "SCOPE_EXCEEDED",
  "its session": "SCOPE_EXCEEDED",
  "its session, elsewhere": "SCOPE_EXCEEDED",
  "the operator token, elsewhere": "SCOPE_EXCEEDED",
};

/** Who may make each call of the contract. A new one has to be decided here. */
const policies: Record<keyof typeof BrokerService.method, Policy> = {
  register: { ...machines, "an observe machine": "SCOPE_EXCEEDED" },
  unregister: sessions,
  updatePeer: sessions,
  deletePeer: sessionsAndOperators,
  getPeer: readers,
  // Who may register may see who is there.
  listPeers: { ...readers, "an agent machine": "yes" },
  watchPeers: readers,
  sendMessage: sessions,
  subscribe: sessions,
  ackMessages: sessions,
  getMessage: readers,
  listMessages: readers,
  redriveMessage: operators,
  dropMessage: operators,
  mutePeer: operators,
  unmutePeer: operators,
  purgeMessages: operators,
  watchMessages: overseers,
  getServerInfo: machines,
  createEnrolment: owner,
  revokeEnrolments: owner,
  enrol: anybody,
  listMachines: overseers,
  // A machine lets itself out.
  revokeMachine: { ...operators, ...overTls("yes") },
  updateListeners: owner,
  stopBroker: owner,
};

function overTls(outcome: string): Partial<Policy> {
  return {
    "an agent machine": outcome,
    "its session": outcome,
    "its session, elsewhere": outcome,
    "the operator token, elsewhere": outcome,
    "an observe machine": outcome,
    "an operate machine": outcome,
  };
}

/** They end their caller: each gets one of its own. */
const lastCalls: readonly string[] = ["unregister", "deletePeer", "revokeMachine"];

describe("each call of the contract, made by", () => {
  test.each(Object.keys(callers) as Caller[])("%s", async (caller) => {
    expect(BrokerService.methods.map(({ localName }) => localName).toSorted()).toEqual(
      Object.keys(policies).toSorted(),
    );
    const shared = await startSharedBroker();
    const client = await callers[caller](shared);
    const heard: Record<string, string> = {};
    for (const { localName } of BrokerService.methods) {
      const own = lastCalls.includes(localName) ? await callers[caller](shared) : client;
      heard[localName] = await outcomeOf(own, localName);
    }
    const expected = Object.entries(policies).map(([name, policy]) => [name, policy[caller]]);
    expect(heard).toEqual(Object.fromEntries(expected));
  });
});

test.each([
  ["nobody", "MACHINE_REQUIRED"],
  ["a wrong credential", "MACHINE_UNKNOWN"],
  ["an observe machine", "yes"],
] as const)("health and reflection, asked over TLS by %s", async (caller, expected) => {
  const { channel, enrol } = await startSharedBroker();
  const credential = {
    nobody: undefined,
    "a wrong credential": newSecret(),
    "an observe machine": await enrol("observe", MachineScope.OBSERVE),
  }[caller];
  const own = channel(credential);
  for (const service of [Health, ServerReflection, ServerReflectionAlpha]) {
    const client = createClient(service, own);
    for (const { name, localName } of service.methods) {
      expect(await outcomeOf(client, localName), `${service.typeName}/${name}`).toBe(expected);
    }
  }
});

/** Makes a call with an empty request. One that is found wanting for its fields was allowed. */
async function outcomeOf(client: object, method: string): Promise<string> {
  const call = Reflect.get(client, method) as (
    request: object,
    options: { signal: AbortSignal },
  ) => Promise<unknown> | AsyncIterable<unknown>;
  const ending = new AbortController();
  const request = method === "serverReflectionInfo" ? oneRequest() : {};
  try {
    const answer = call(request, { signal: ending.signal });
    if (Symbol.asyncIterator in answer) await answer[Symbol.asyncIterator]().next();
    else await answer;
    return "yes";
  } catch (error) {
    const reason = reasonIn(error);
    return refusals.has(reason) ? reason : "yes";
  } finally {
    ending.abort();
  }
}

async function* oneRequest() {
  yield { messageRequest: { case: "listServices", value: "" } };
}

const refusals: ReadonlySet<string> = new Set([
  ...Object.values(policies).flatMap((policy) => Object.values(policy)),
  "TOKEN_INVALID",
  "ENROLMENT_INVALID",
]);
