import { create } from "@bufbuild/protobuf";
import {
  BrokerService,
  Closing_Reason,
  GetMessageResponseSchema,
  StopBrokerResponseSchema,
  UnregisterResponseSchema,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { MachineScope } from "../../../gen/peerline/v1/machine_pb.js";
import type { HandlerContext, ServiceImpl } from "../../rpc/server.js";
import { ackMessages } from "./ack-messages.js";
import { BrokerError } from "../broker-error.js";
import type { Core } from "../core.js";
import { dropMessage, redriveMessage } from "./dead-letters.js";
import { deletePeer } from "./delete-peer.js";
import { findMessage } from "./find-message.js";
import { listMessages } from "./list-messages.js";
import { getPeer, listPeers } from "./list-peers.js";
import {
  createEnrolment,
  revokeEnrolments,
  enrol,
  listMachines,
  revokeMachine,
  updateListeners,
} from "./machines.js";
import { mutePeer, purgeMessages, unmutePeer } from "./moderation.js";
import { sendMessage } from "./send-message.js";
import { getServerInfo } from "./server-info.js";
import {
  viewerOf,
  type Actor,
  type Credential,
  type Observer,
  type Session,
} from "../peers/sessions.js";
import { updatePeer } from "./update-peer.js";
import { watchMessages } from "./watch-messages.js";
import { watchPeers } from "./watch-peers.js";

/** The calls of the contract: who may make each, and what carries it out. */
export function createService(core: Core, onStop: () => void): ServiceImpl<typeof BrokerService> {
  const callerOf = (context: HandlerContext): Credential => {
    const machine = core.machines.callerOf(context)?.stored;
    return core.sessions.authenticate(context.header("authorization"), context.connection, machine);
  };
  const sessionOf = (context: HandlerContext): Session => requireSession(callerOf(context));
  const operatorOf = (context: HandlerContext): void => requireOperator(callerOf(context));
  const placeOf = (caller: Credential, context: HandlerContext) => ({
    caller,
    machineId: core.machines.callerOf(context)?.stored.machineId ?? "",
  });
  /** The operator on the broker's own machine. */
  const ownerOf = (context: HandlerContext): void => {
    if (core.machines.callerOf(context) !== undefined) throw ownMachineOnly();
    operatorOf(context);
  };

  return {
    register: async (request, context) => {
      const machine = core.machines.callerOf(context);
      if (machine?.stored.scope === MachineScope.OBSERVE) throw readsOnly();
      return core.registrar.register(request, context, machine);
    },
    unregister: async (_request, context) => {
      core.sessions.close(
        sessionOf(context),
        Closing_Reason.UNREGISTERED,
        "the session was unregistered",
      );
      return create(UnregisterResponseSchema);
    },
    deletePeer: async (request, context) =>
      deletePeer(core, requireActor(callerOf(context)), request, context),
    updatePeer: async (request, context) => updatePeer(core, sessionOf(context), request),
    getPeer: async (request, context) => getPeer(core, callerOf(context), request),
    listPeers: async (request, context) => {
      // Every machine may see who is there: it could register, and then see it.
      const isMachine = core.machines.callerOf(context) !== undefined;
      const isSession = context.header("authorization") !== undefined;
      const caller = isMachine && !isSession ? observer : callerOf(context);
      return listPeers(core, caller, request);
    },
    async *watchPeers(request, context) {
      const caller = callerOf(context);
      const events = watchPeers(core, caller, request, context.signal);
      yield* core.streams.run(
        placeOf(caller, context),
        "WatchPeers",
        (error) => context.end(error),
        events,
      );
    },
    sendMessage: async (request, context) => sendMessage(core, sessionOf(context), request),
    async *subscribe(request, context) {
      const session = sessionOf(context);
      const caller = { kind: "session", session } as const;
      const events = core.subscriptions.subscribe(session, request, context.signal);
      yield* core.streams.run(
        placeOf(caller, context),
        "Subscribe",
        (error) => context.end(error),
        events,
      );
    },
    ackMessages: async (request, context) => ackMessages(core, sessionOf(context), request),
    getMessage: async ({ messageId, fromPeerId }, context) => {
      const viewer = viewerOf(callerOf(context));
      const query = { field: "message_id", messageId, from: fromPeerId, viewer };
      return create(GetMessageResponseSchema, { record: await findMessage(core, query) });
    },
    listMessages: async (request, context) =>
      listMessages(core, viewerOf(callerOf(context)), request),
    redriveMessage: async (request, context) => {
      operatorOf(context);
      return redriveMessage(core, request);
    },
    dropMessage: async (request, context) => {
      operatorOf(context);
      return dropMessage(core, request);
    },
    mutePeer: async (request, context) => {
      operatorOf(context);
      return mutePeer(core, request);
    },
    unmutePeer: async (request, context) => {
      operatorOf(context);
      return unmutePeer(core, request);
    },
    purgeMessages: async (request, context) => {
      operatorOf(context);
      return purgeMessages(core, request);
    },
    async *watchMessages(_request, context) {
      const caller = callerOf(context);
      if (caller.kind !== "observer") requireOperator(caller);
      const events = watchMessages(core, context.signal);
      yield* core.streams.run(
        placeOf(caller, context),
        "WatchMessages",
        (error) => context.end(error),
        events,
      );
    },
    getServerInfo: () => getServerInfo(core),
    createEnrolment: async (request, context) => {
      ownerOf(context);
      return createEnrolment(core, request);
    },
    revokeEnrolments: async (_request, context) => {
      ownerOf(context);
      return revokeEnrolments(core);
    },
    enrol: (request, context) => enrol(core, request, context),
    listMachines: async (_request, context) => {
      const caller = callerOf(context);
      if (caller.kind !== "observer") requireOperator(caller);
      return listMachines(core);
    },
    revokeMachine: async ({ name }, context) => {
      const machine = core.machines.callerOf(context);
      if (machine === undefined) operatorOf(context);
      return revokeMachine(core, name, machine, context);
    },
    updateListeners: async (_request, context) => {
      ownerOf(context);
      return updateListeners(core);
    },
    stopBroker: async (_request, context) => {
      ownerOf(context);
      core.log.info({}, "asked to stop");
      setImmediate(onStop);
      return create(StopBrokerResponseSchema, { pid: process.pid });
    },
  };
}

const observer: Observer = { kind: "observer" };

function requireSession(caller: Credential): Session {
  if (caller.kind === "session") return caller.session;
  if (caller.kind === "observer") throw readsOnly();
  throw new BrokerError(
    ErrorReason.NOT_ALLOWED,
    "the operator token acts as no peer: Register, and use the session token",
  );
}

function requireActor(caller: Credential): Actor {
  if (caller.kind === "observer") throw readsOnly();
  return caller;
}

function readsOnly(): BrokerError {
  return new BrokerError(
    ErrorReason.SCOPE_EXCEEDED,
    "this machine's scope is `observe`: it may read, and changes nothing. " +
      "For more, run `peerline leave` on it, and join with a line of `peerline share` of the broker's machine",
  );
}

function ownMachineOnly(): BrokerError {
  return new BrokerError(
    ErrorReason.SCOPE_EXCEEDED,
    "this is done on the broker's own machine alone, whatever the scope of another",
  );
}

function requireOperator(caller: Credential): void {
  if (caller.kind === "operator") return;
  if (caller.kind === "observer") throw readsOnly();
  throw new BrokerError(
    ErrorReason.NOT_ALLOWED,
    "only the operator may do this: use the token in the file operator.token of the broker's home",
  );
}
