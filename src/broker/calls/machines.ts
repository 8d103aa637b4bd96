import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  BrokerService,
  Closing_Reason,
  CreateEnrolmentResponseSchema,
  EnrolResponseSchema,
  ListMachinesResponseSchema,
  RevokeEnrolmentsResponseSchema,
  RevokeMachineResponseSchema,
  UpdateListenersResponseSchema,
  type CreateEnrolmentRequest,
  type CreateEnrolmentResponse,
  type EnrolRequest,
  type EnrolResponse,
  type ListMachinesResponse,
  type RevokeEnrolmentsResponse,
  type RevokeMachineResponse,
  type UpdateListenersResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import {
  EnrolmentSchema,
  ListenerSchema,
  MachineSchema,
  MachineScope,
  type Listener,
  type Machine as MachineMessage,
} from "../../../gen/peerline/v1/machine_pb.js";
import { secretForm } from "../../contract/machines.js";
import type { Admission, HandlerContext } from "../../rpc/server.js";
import { BrokerError, translateStoreErrors } from "../broker-error.js";
import type { Core } from "../core.js";
import { boundBytes, invalidField, matchField, requireField } from "../fields.js";
import {
  defaultEnrolmentMs,
  maxEnrolmentMs,
  maxEnrolments,
  maxEnrolmentUses,
  maxHostBytes,
} from "../limits.js";
import { hashOf, isLetIn, type Machine } from "../machines/machines.js";

/** Lets each call over TLS pass that a machine makes, and the one that lets a machine in. */
export function admitMachine({ machines }: Core, context: HandlerContext): Admission | undefined {
  return context.method === enrolPath ? undefined : machines.admit(context);
}

const enrolPath = `/${BrokerService.typeName}/${BrokerService.method.enrol.name}`;

export async function createEnrolment(
  { store, clock, log, listeners }: Core,
  request: CreateEnrolmentRequest,
): Promise<CreateEnrolmentResponse> {
  const uses = request.uses === 0 ? 1 : request.uses;
  if (uses > maxEnrolmentUses) throw invalidField("uses", `uses must be 1 to ${maxEnrolmentUses}`);
  const scope = readScope(request.scope);
  const expireTimeMs = clock.now() + readExpiry(request);
  const token = randomBytes(32).toString("base64url");
  const enrolment = { tokenHash: hashOf(token), scope, usesLeft: uses, expireTimeMs };
  if (!(await translateStoreErrors(() => store.peers.createEnrolment(enrolment, maxEnrolments)))) {
    throw new BrokerError(
      ErrorReason.LIMIT_REACHED,
      `${maxEnrolments} tokens to enrol with are open: wait until some have ended`,
      { metadata: { limit: "enrolments", maximum: String(maxEnrolments) } },
    );
  }
  log.info({ uses, scope: MachineScope[scope] }, "machines may enrol");
  return create(CreateEnrolmentResponseSchema, {
    token,
    expireTime: timestampFromMs(expireTimeMs),
    ...listenerField(listeners),
  });
}

export async function revokeEnrolments({ store, log }: Core): Promise<RevokeEnrolmentsResponse> {
  const revokedEnrolments = await translateStoreErrors(() => store.peers.revokeEnrolments());
  if (revokedEnrolments > 0) log.info({ revokedEnrolments }, "tokens to enrol with were revoked");
  return create(RevokeEnrolmentsResponseSchema, { revokedEnrolments });
}

export async function enrol(
  { machines }: Core,
  request: EnrolRequest,
  { connection }: HandlerContext,
): Promise<EnrolResponse> {
  const form = "32 bytes in base64url, 43 characters";
  requireField("token", request.token);
  requireField("credential", request.credential);
  matchField("credential", request.credential, secretForm, form);
  boundBytes("name", request.name, maxHostBytes);
  const credentialHash = hashOf(request.credential);
  // The answer to the same call was lost.
  const known = machines.ofCredential(credentialHash);
  if (known !== undefined && isLetIn(known.stored)) return enrolled(known);
  if (known !== undefined) throw revokedCredential();

  const { name: host } = request;
  const { address } = connection;
  const tokenHash = hashOf(request.token);
  const outcome = await machines.letIn({ tokenHash, credentialHash, host, address });
  if (typeof outcome !== "string") return enrolled(outcome);
  if (outcome === "revoked") throw revokedCredential();
  machines.noteGuess(connection);
  throw new BrokerError(ErrorReason.ENROLMENT_INVALID, refusals[outcome]);
}

const refusals = {
  unknown:
    "the token to enrol with is not of this broker, or was withdrawn there: copy the whole line that `peerline share` printed, or ask for a new one",
  used: "the token to enrol with was used already: ask for a new line of `peerline share`",
  expired: "the time of the token to enrol with is over: ask for a new line of `peerline share`",
};

function revokedCredential(): BrokerError {
  return new BrokerError(
    ErrorReason.ENROLMENT_INVALID,
    "credential: it was revoked, and lets nobody in again: make a new one",
    { metadata: { field: "credential" } },
  );
}

function enrolled(machine: Machine): EnrolResponse {
  return create(EnrolResponseSchema, { machine: describe(machine) });
}

export async function listMachines({
  machines,
  store,
  listeners,
}: Core): Promise<ListMachinesResponse> {
  const open = await translateStoreErrors(() => store.peers.listEnrolments());
  return create(ListMachinesResponseSchema, {
    machines: machines.list().map(describe),
    enrolments: open.map(({ scope, usesLeft, expireTimeMs }) =>
      create(EnrolmentSchema, { scope, usesLeft, expireTime: timestampFromMs(expireTimeMs) }),
    ),
    ...listenerField(listeners),
  });
}

/** @param caller the machine that calls; undefined for the operator. */
export async function revokeMachine(
  { machines, sessions }: Core,
  name: string,
  caller: Machine | undefined,
  { connection }: HandlerContext,
): Promise<RevokeMachineResponse> {
  if (caller === undefined) requireField("name", name);
  const isOwn = caller !== undefined && (name === "" || name === caller.stored.name);
  if (caller !== undefined && !isOwn) {
    throw new BrokerError(
      ErrorReason.SCOPE_EXCEEDED,
      "a machine lets only itself out: run this on the broker's own machine",
    );
  }
  const machine = caller ?? machines.named(name);
  if (machine === undefined) {
    throw new BrokerError(
      ErrorReason.MACHINE_NOT_FOUND,
      `name: no machine is named "${name}": \`peerline machines\` lists them`,
      { metadata: { field: "name" } },
    );
  }
  const { machineId } = machine.stored;
  const revoked = machines.revoke(machine, connection);
  const endedSessions = sessions.closeOfMachine(
    machineId,
    Closing_Reason.UNREGISTERED,
    "the machine was revoked",
  );
  await revoked;
  return create(RevokeMachineResponseSchema, {
    machine: describe(machine),
    endedSessions,
  });
}

export async function updateListeners({ listeners }: Core): Promise<UpdateListenersResponse> {
  await listeners.update();
  return create(UpdateListenersResponseSchema, listenerField(listeners));
}

function listenerField(listeners: Core["listeners"]): { listener?: Listener } {
  const found = listeners.current();
  if (found === undefined) return {};
  const { address, advertisedAddress, caHash: caSha256, certificateEndMs } = found;
  const certificateExpireTime = timestampFromMs(certificateEndMs);
  return {
    listener: create(ListenerSchema, {
      address,
      advertisedAddress,
      caSha256,
      certificateExpireTime,
    }),
  };
}

function describe({ stored, connections }: Machine): MachineMessage {
  const { machineId, name, scope, createTimeMs, lastUseMs, lastUseAddress } = stored;
  return create(MachineSchema, {
    machineId,
    name,
    scope,
    createTime: timestampFromMs(createTimeMs),
    lastUseTime: timestampFromMs(lastUseMs),
    lastUseAddress,
    connections: connections.size,
    ...(isLetIn(stored) ? {} : { revokeTime: timestampFromMs(stored.revokeTimeMs) }),
  });
}

function readScope(scope: MachineScope): MachineScope {
  if (MachineScope[scope] === undefined)
    throw invalidField("scope", "scope is none of MachineScope");
  return scope === MachineScope.UNSPECIFIED ? MachineScope.AGENT : scope;
}

function readExpiry({ expiresIn }: CreateEnrolmentRequest): number {
  if (expiresIn === undefined) return defaultEnrolmentMs;
  const ms = durationMs(expiresIn);
  if (ms >= 1000 && ms <= maxEnrolmentMs) return ms;
  throw invalidField(
    "expires_in",
    `expires_in must be 1 second to ${maxEnrolmentMs / 86_400_000} days`,
  );
}
