import type { OutgoingHttpHeaders } from "node:http";
import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type Settings,
} from "node:http2";
import { connect as connectSocket } from "node:net";
import { onTestFinished } from "vitest";

/** A bare HTTP/2 connection, for frames that no gRPC client would send. */
export function openRawSession(address: string, settings: Settings = {}): ClientHttp2Session {
  const path = address.slice("unix:".length);
  const createConnection = () => connectSocket(path);
  const session = connect("http://localhost", { createConnection, settings });
  session.on("error", () => {});
  onTestFinished(() => session.destroy());
  return session;
}

/** The request of a call, without its messages. */
export function openRawStream(
  session: ClientHttp2Session,
  path: string,
  headers: OutgoingHttpHeaders = {},
): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => {});
  return stream;
}
