import { fileURLToPath } from "node:url";
import type { Line } from "./client/line.js";
import { connect as connectAs, type ConnectOptions } from "./endpoint/open-line.js";

export { type ConnectOptions } from "./endpoint/open-line.js";
export { EndpointError, type EndpointErrorCode } from "./endpoint/endpoint-error.js";
export { type Line, type LineState } from "./client/line.js";
export { LineError, type LineErrorCode } from "./client/line-error.js";
export { type ReadOptions, type SendOptions } from "./client/line-options.js";
export { type IncomingMessage } from "./client/messages.js";
export { BrokerService } from "../gen/peerline/v1/broker_service_pb.js";
export * from "../gen/peerline/v1/broker_service_pb.js";
export * from "../gen/peerline/v1/machine_pb.js";
export * from "../gen/peerline/v1/message_pb.js";
export * from "../gen/peerline/v1/peer_pb.js";
export { ErrorReason } from "../gen/peerline/v1/error_reason_pb.js";
export { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";
export {
  createClient,
  openChannel,
  type CallOptions,
  type Channel,
  type Client,
} from "./rpc/client.js";
export { Code, RpcError } from "./rpc/error.js";
export { errorOf } from "./rpc/status.js";

/**
 * Joins the agents of this user as a program: finds the broker, or starts it, and registers. The environment
 * counts as for the command line: `PEERLINE_HOME` and `PEERLINE_BROKER`.
 *
 * Processes of one name and home are one peer. Any of them may send, and the newest that reads gets the messages.
 *
 * @throws EndpointError where the name or a setting cannot be used; LineError UNREACHABLE where no broker
 * answers within 30 s, or its `cause` stays until someone fixes it; the signal's reason
 */
export async function connect(options: ConnectOptions): Promise<Line> {
  return connectAs(options, program);
}

/** What starts a broker stands beside this file. */
const program = fileURLToPath(new URL("peerline.js", import.meta.url));
