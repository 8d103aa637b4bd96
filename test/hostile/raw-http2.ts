import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { connect } from "node:net";
import type { HostileCall } from "./hostile-call.js";

/** One HTTP/2 connection to a socket, for calls made of any bytes; it is made anew when it was lost. */
export class RawHttp2 implements Disposable {
  readonly #socket: string;
  #session: ClientHttp2Session | undefined;
  #streams = 0;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /**
   * The call's gRPC status; where it has none, "HTTP" and its status or how the stream ended: "cancelled"
   * from here, "timeout", or "reset". "unsent" where Node refuses to send it.
   */
  async call({ headers, body, cancels }: HostileCall): Promise<string> {
    const session = this.#open();
    return await new Promise<string>((resolve) => {
      const stream = requestOf(session, headers);
      if (stream === undefined) return resolve("unsent");
      // Node 20.20.2 may never close a stream whose last write is still to be done.
      const slow = setTimeout(() => {
        resolve("timeout");
        stream.close(constants.NGHTTP2_CANCEL);
      }, callTimeoutMs);
      stream.on("error", () => undefined);
      stream.on("response", (head) => {
        if (head["grpc-status"] !== undefined) resolve(String(head["grpc-status"]));
        else if (head[":status"] !== 200) resolve(`HTTP ${head[":status"]}`);
      });
      stream.on("trailers", (trailers) => resolve(String(trailers["grpc-status"])));
      // A stream of events would not end by itself.
      if (cancels === "when answered") {
        stream.on("data", () => stream.close(constants.NGHTTP2_CANCEL));
      }
      stream.resume();
      stream.on("close", () => {
        clearTimeout(slow);
        resolve(stream.rstCode === constants.NGHTTP2_CANCEL ? "cancelled" : "reset");
      });
      stream.end(body);
      if (cancels === "at once") stream.close(constants.NGHTTP2_CANCEL);
    });
  }

  [Symbol.dispose](): void {
    this.#session?.destroy();
  }

  #open(): ClientHttp2Session {
    const known = this.#session;
    const isUsable = known !== undefined && !known.closed && !known.destroyed;
    if (isUsable && this.#streams++ < streamsPerConnection) return known;
    known?.close();
    const session = connectHttp2("http://localhost", {
      createConnection: () => connect(this.#socket),
      maxSessionMemory: maxSessionMemoryMB,
    });
    session.on("error", () => undefined);
    session.setMaxListeners(0);
    this.#session = session;
    this.#streams = 0;
    return session;
  }
}

/** Streams that one connection carries before the next one is made. */
const streamsPerConnection = 5000;

/** More than the bodies of all calls under way together: Node would drop calls at 10 MB. */
const maxSessionMemoryMB = 200;

/** Longer than any call takes that ends by itself. */
const callTimeoutMs = 20_000;

function requestOf(session: ClientHttp2Session, headers: HostileCall["headers"]) {
  try {
    return session.request(headers);
  } catch {
    return undefined;
  }
}
