export { BrokerService } from "../gen/peerline/v1/broker_service_pb.js";
export * from "../gen/peerline/v1/broker_service_pb.js";
export * from "../gen/peerline/v1/message_pb.js";
export * from "../gen/peerline/v1/peer_pb.js";
export { ErrorReason } from "../gen/peerline/v1/error_reason_pb.js";
export { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
export {
  createClient,
  openChannel,
  type CallOptions,
  type Channel,
  type Client,
} from "./rpc/client.js";
export { Code, RpcError } from "./rpc/error.js";
