import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  CancelledNotificationSchema,
  isJSONRPCErrorResponse,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type CallToolResult,
  type JSONRPCMessage,
} from "@modelcontextprotocol/sdk/types.js";
import { systemClock } from "../clock.js";
import type { Config } from "../endpoint/config.js";
import { sessionOf } from "../hosts/conversation.js";
import type { Host } from "../hosts/host.js";
import { recogniseHost } from "../hosts/recognise.js";
import { RpcError } from "../rpc/error.js";
import { AdapterError } from "./adapter-error.js";
import { announce } from "./channel.js";
import { Doorbells, type Waker } from "./doorbells.js";
import { Identity } from "./identity.js";
import { Mail } from "./mail.js";
import { readParameters } from "./parameters.js";
import { explainRefusal } from "./refusal.js";
import { makeFailure, makeResult } from "./result.js";
import { Session } from "./session.js";
import { serve, type HostStreams } from "./serve.js";
import { createToolServer, type CallExtra } from "./tool-server.js";
import type { Tool } from "./tools/tool.js";
import { UnansweredSends } from "./unanswered-sends.js";

export interface AdapterOptions extends HostStreams {
  readonly config: Config;
  /** Absolute path of the program, with which a broker is started. */
  readonly program: string;
  /** The agent's working directory; undefined where it was removed. */
  readonly cwd: string | undefined;
  /** The process of the host. */
  readonly hostPid: number;
}

/** What there is once the host has said who it is. */
interface Attached {
  readonly host: Host;
  readonly identity: Identity;
  readonly session: Session;
  readonly doorbells: Doorbells;
}

/** Serves one agent until its host closes a stream or `signal` aborts; resolves when everything has ended. */
export async function serveAgent(options: AdapterOptions): Promise<void> {
  const adapter = new Adapter(options);
  await adapter.run();
}

/**
 * The host on one side, the broker on the other. The session begins when the host has been answered
 * and has said who it is, at the latest with the first call.
 */
class Adapter {
  readonly #options: AdapterOptions;
  readonly #mail = new Mail(systemClock);
  readonly #unanswered = new UnansweredSends();
  #attached: Attached | undefined;
  readonly #server: Server;

  constructor(options: AdapterOptions) {
    this.#options = options;
    this.#server = createToolServer(
      (tool, raw, extra) => {
        const attached = this.#attach();
        const call = () => this.#call(attached, tool, raw, extra);
        return attached.doorbells.during(call, extra.signal);
      },
      { hasChannel: options.config.opensChannel },
    );
  }

  async run(): Promise<void> {
    this.#server.oninitialized = () => void this.#attach();
    await serve(this.#server, this.#options, {
      received: (message) => this.#received(message),
      written: (message) => this.#written(message),
    });
    await this.#attached?.session.close();
  }

  #attach(): Attached {
    if (this.#attached !== undefined) return this.#attached;
    const { config, program, cwd, log } = this.#options;
    const client = this.#server.getClientVersion();
    const host = recogniseHost(client?.name ?? "");
    const identity = new Identity({
      config,
      client: { name: host.name, version: client?.version ?? "" },
      cwd,
      conversationId: host.conversationOfProcess(config),
    });
    const session = new Session({ config, program, identity, mail: this.#mail, log });
    const doorbells = new Doorbells({
      mail: this.#mail,
      clock: systemClock,
      wakers: this.#wakersOf(host, identity),
      onReach: (reach) => session.tellReach(reach),
    });
    // Whoever took over has the mail, and the host's hooks.
    session.ended.addEventListener("abort", () => doorbells.close(), { once: true });
    this.#attached = { host, identity, session, doorbells };
    this.#meetHooks(this.#attached, undefined);
    return this.#attached;
  }

  /** @param thread the context of the host's calls, as they name it. */
  #meetHooks({ host, identity, doorbells }: Attached, thread: string | undefined): void {
    const { config, hostPid } = this.#options;
    const { conversationId } = identity;
    const isNamed = host.sharesProcess && conversationId !== undefined;
    const session = isNamed ? sessionOf(conversationId) : undefined;
    doorbells.meetAt({ home: config.home, hostPid, session }, thread);
  }

  #wakersOf(host: Host, identity: Identity): Waker[] {
    const wakers: Waker[] = [];
    const { wake } = host;
    if (wake !== undefined) {
      wakers.push(async (line, signal) => {
        const { conversationId } = identity;
        return conversationId === undefined
          ? "refused"
          : wake(sessionOf(conversationId), line, signal);
      });
    }
    if (this.#options.config.opensChannel) {
      wakers.push((line) => announce(this.#server, line));
    }
    return wakers;
  }

  /** Sees each message of the host before the server does: what counts is when it came. */
  #received(message: JSONRPCMessage): void {
    if (isJSONRPCRequest(message) && message.method === "tools/call") {
      const { host } = this.#attach();
      const { _meta = {} } = message.params ?? {};
      this.#mail.presentations.beginCall(host.conversationOfCall(_meta));
    }
    const cancelled = CancelledNotificationSchema.safeParse(message).data?.params.requestId;
    if (cancelled !== undefined) this.#mail.presentations.withdraw(cancelled);
  }

  #written(message: JSONRPCMessage): void {
    if (isJSONRPCResultResponse(message)) this.#mail.presentations.written(message.id);
    else if (isJSONRPCErrorResponse(message) && message.id !== undefined) {
      this.#mail.presentations.withdraw(message.id);
    }
  }

  async #call(
    attached: Attached,
    tool: Tool,
    raw: Readonly<Record<string, unknown>>,
    { requestId, signal, _meta = {}, sendNotification }: CallExtra,
  ): Promise<CallToolResult> {
    const { host, identity, session, doorbells } = attached;
    const { presentations } = this.#mail;
    const thread = host.conversationOfCall(_meta);
    void this.#tellPlace(attached);
    try {
      const parameters = readParameters(tool, raw);
      if (thread !== undefined && identity.conversationId === undefined) {
        await session.bind(thread);
        this.#meetHooks(attached, identity.conversationId);
      }
      const facts = await tool.run(parameters, {
        session,
        identity,
        mail: this.#mail,
        unanswered: this.#unanswered,
        host,
        cwd: this.#options.cwd,
        signal,
        whileWaiting: (wait) => doorbells.whileWaiting(wait),
        show: (pieces) => presentations.show(requestId, thread, pieces),
        reportProgress: async (elapsedMs, totalMs) => {
          const { progressToken } = _meta;
          if (progressToken === undefined) return;
          const params = { progressToken, progress: elapsedMs, total: totalMs };
          await sendNotification({ method: "notifications/progress", params });
        },
      });
      return makeResult(facts, this.#mail.unread, identity.takeNote());
    } catch (error) {
      signal.throwIfAborted();
      return makeFailure(this.#explain(error), this.#mail.unread);
    }
  }

  /** A branch may have been switched since the last call. What cannot be told now is told with the next. */
  async #tellPlace({ identity, session }: Attached): Promise<void> {
    await identity.profile
      .tellChange(async (place) => {
        const { peer } = await session.call(
          (client, options) => client.updatePeer(place, options),
          session.ended,
        );
        if (peer?.peerId === identity.peer?.peerId && peer !== undefined) identity.update(peer);
      })
      .catch(() => {});
  }

  /** What the model is told of an error; what is a defect goes to the log too. */
  #explain(error: unknown): string {
    if (error instanceof AdapterError) return error.message;
    if (error instanceof RpcError) return explainRefusal(error).message;
    this.#options.log(`defect: ${error instanceof Error ? error.stack : String(error)}`);
    return "Peerline's MCP server failed: a defect, not your call. Your host's log of this server says why. Try once more, then tell your user.";
  }
}
