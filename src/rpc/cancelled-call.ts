import { ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";

/**
 * Keeps a call that was cancelled from looking whole. grpc-js by itself
 *
 * - starts the handler of a call that failed before its request was complete, and never tells it that
 *   nobody waits: what is intercepted is deaf once it is cancelled;
 * - takes a lost connection for the end of a stream of requests: the end is passed on one turn of the
 *   event loop later, when a loss is known as the cancellation it is.
 *
 * A client on Node that cancels does end its requests first, some time before it resets the stream. So
 * a handler has to look at its signal before it takes the requests for complete.
 */
export const ignoreCancelledCalls: ServerInterceptor = (method, call) =>
  method.requestStream
    ? new ServerInterceptingCall(call, {
        start: (next) => next({ onReceiveHalfClose: (end) => void setImmediate(end) }),
      })
    : new ServerInterceptingCall(call);
