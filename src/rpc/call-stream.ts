import type { ServerHttp2Stream } from "node:http2";
import { ServerInterceptingCall, type Metadata, type ServerInterceptor } from "@grpc/grpc-js";
import { connectionOf, lostConnection, type Connection } from "./connection.js";
import { describeRequestFaults, type DescribeFault } from "./fault.js";
import type { OpenStreams } from "./open-streams.js";

/** What lies below a call. */
export interface CallStream {
  readonly http2: ServerHttp2Stream | undefined;
  readonly connection: Connection;
}

/**
 * Notes the HTTP/2 stream of each call, which grpc-js 1.14 keeps in a private field of its innermost
 * call: for that this interceptor has to be the first. A call is known again by its metadata, which
 * grpc-js hands through as one object.
 */
export function noteCallStream(open: OpenStreams, describe: DescribeFault): ServerInterceptor {
  return (_method, call) => {
    describeRequestFaults(call, describe);
    const http2 = Reflect.get(call, "stream") as ServerHttp2Stream | undefined;
    const session = http2?.session;
    const noted = { http2, connection: session ? connectionOf(session) : lostConnection };
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            streams.set(metadata, noted);
            pass(metadata);
          },
          onReceiveMessage: (message: Buffer, pass) => {
            open.inflated(http2, message.byteLength);
            pass(message);
          },
        }),
    });
  };
}

/** The stream of the call that came with this metadata. */
export function callStreamOf(metadata: Metadata): CallStream {
  return streams.get(metadata) ?? { http2: undefined, connection: lostConnection };
}

const streams = new WeakMap<Metadata, CallStream>();
