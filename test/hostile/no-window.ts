import {
  connect as connectHttp2,
  type ClientHttp2Session,
  type ClientHttp2Stream,
} from "node:http2";
import { connect } from "node:net";
import { frame } from "../rpc/frame.js";
import { openRawStream } from "../rpc/raw-session.js";

/**
 * A client made by hand that gives the server no window: what is answered reaches it without its DATA, and the
 * trailers wait behind that.
 */
export class NoWindow implements Disposable {
  readonly #socket: string;
  readonly #sessions: ClientHttp2Session[] = [];
  /** How the calls that are over ended, by the code of RST_STREAM; 0 is a good end. */
  readonly ends = new Map<number, number>();
  /** Calls whose headers were answered. */
  answered = 0;
  opened = 0;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** Another connection; resolves when it stands, or was refused. */
  async connect(): Promise<ClientHttp2Session> {
    const session = connectHttp2("http://localhost", {
      createConnection: () => connect(this.#socket),
      settings: { initialWindowSize: 0 },
      maxSessionMemory: maxSessionMemoryMB,
    });
    session.on("error", () => undefined);
    session.setMaxListeners(0);
    this.#sessions.push(session);
    await new Promise<void>((resolve) => {
      session.once("remoteSettings", () => resolve());
      session.once("close", () => resolve());
    });
    return session;
  }

  /** Opens a call of an empty request. What the server will not have open yet waits in Node. */
  open(session: ClientHttp2Session, method: string, token?: string): ClientHttp2Stream | undefined {
    if (session.destroyed || session.closed) return undefined;
    const path = `/peerline.v1.BrokerService/${method}`;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const stream = openRawStream(session, path, headers);
    stream.on("response", () => void this.answered++);
    stream.on("close", () => {
      const code = stream.rstCode ?? 0;
      this.ends.set(code, (this.ends.get(code) ?? 0) + 1);
    });
    stream.resume();
    stream.end(frame(Buffer.alloc(0)));
    this.opened++;
    return stream;
  }

  [Symbol.dispose](): void {
    for (const session of this.#sessions) session.destroy();
  }
}

/** More than all calls that wait in Node together: it would drop calls at 10 MB. */
const maxSessionMemoryMB = 1000;
