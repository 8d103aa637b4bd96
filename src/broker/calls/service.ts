import { create } from "@bufbuild/protobuf";
import {
  BrokerService,
  Closing_Reason,
  GetMessageResponseSchema,
  StopBrokerResponseSchema,
  UnregisterResponseSchema,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import type { HandlerContext, ServiceImpl } from "../../rpc/server.js";
import { ackMessages } from "./ack-messages.js";
import { BrokerError } from "../broker-error.js";
import type { Core } from "../core.js";
import { dropMessage, redriveMessage } from "./dead-letters.js";
import { deletePeer } from "./delete-peer.js";
import { findMessage } from "./find-message.js";
import { listMessages } from "./list-messages.js";
import { getPeer, listPeers } from "./list-peers.js";
import { mutePeer, purgeMessages, unmutePeer } from "./moderation.js";
import { sendMessage } from "./send-message.js";
import { getServerInfo } from "./server-info.js";
import { viewerOf, type Credential, type Session } from "../peers/sessions.js";
import { updatePeer } from "./update-peer.js";
import { watchMessages } from "./watch-messages.js";
import { watchPeers } from "./watch-peers.js";

/** The calls of the contract: who may make each, and what carries it out. */
export function createService(core: Core, onStop: () => void): ServiceImpl<typeof BrokerService> {
  const callerOf = (context: HandlerContext): Credential =>
    core.sessions.authenticate(context.header("authorization"), context.connection);
  const sessionOf = (context: HandlerContext): Session => requireSession(callerOf(context));
  const operatorOf = (context: HandlerContext): void => requireOperator(callerOf(context));

  return {
    register: (request, context) => core.registrar.register(request, context),
    unregister: async (_request, context) => {
      core.sessions.close(
        sessionOf(context),
        Closing_Reason.UNREGISTERED,
        "the session was unregistered",
      );
      return create(UnregisterResponseSchema);
    },
    deletePeer: async (request, context) => deletePeer(core, callerOf(context), request, context),
    updatePeer: async (request, context) => updatePeer(core, sessionOf(context), request),
    getPeer: async (request, context) => getPeer(core, callerOf(context), request),
    listPeers: async (request, context) => listPeers(core, callerOf(context), request),
    async *watchPeers(request, context) {
      const caller = callerOf(context);
      const events = watchPeers(core, caller, request, context.signal);
      yield* core.streams.run(caller, "WatchPeers", (error) => context.end(error), events);
    },
    sendMessage: async (request, context) => sendMessage(core, sessionOf(context), request),
    async *subscribe(request, context) {
      const session = sessionOf(context);
      const caller = { kind: "session", session } as const;
      const events = core.subscriptions.subscribe(session, request, context.signal);
      yield* core.streams.run(caller, "Subscribe", (error) => context.end(error), events);
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
      operatorOf(context);
      const caller = { kind: "operator" } as const;
      const events = watchMessages(core, context.signal);
      yield* core.streams.run(caller, "WatchMessages", (error) => context.end(error), events);
    },
    getServerInfo: () => getServerInfo(core),
    stopBroker: async (_request, context) => {
      operatorOf(context);
      core.log.info({}, "asked to stop");
      setImmediate(onStop);
      return create(StopBrokerResponseSchema, { pid: process.pid });
    },
  };
}

function requireSession(caller: Credential): Session {
  if (caller.kind === "session") return caller.session;
  throw new BrokerError(
    ErrorReason.NOT_ALLOWED,
    "the operator token acts as no peer: Register, and use the session token",
  );
}

function requireOperator(caller: Credential): void {
  if (caller.kind === "operator") return;
  throw new BrokerError(
    ErrorReason.NOT_ALLOWED,
    "only the operator may do this: use the token in the file operator.token of the broker's home",
  );
}
