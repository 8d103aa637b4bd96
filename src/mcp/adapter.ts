import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  CancelledNotificationSchema,
  type CallToolResult,
  type JSONRPCMessage,
} from "@modelcontextprotocol/sdk/types.js";
import type { Connection } from "../client/attachment.js";
import { Line } from "../client/line.js";
import { LineError } from "../client/line-error.js";
import { systemClock } from "../clock.js";
import { answeredAt, atPresent, type Config } from "../endpoint/config.js";
import { connectBroker } from "../endpoint/connect.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import { otherVersion } from "../endpoint/version.js";
import { findHostProcess } from "../hosts/doorbell/box-folder.js";
import { recogniseHost } from "../hosts/find-hosts.js";
import {
  conversationId,
  sessionOf,
  type Channel,
  type HostClient,
  type WakeResult,
} from "../hosts/host.js";
import { RpcError } from "../rpc/error.js";
import { AgentIdentity } from "./agent-identity.js";
import { Doorbells } from "./doorbells.js";
import { KnownPeers } from "./known-peers.js";
import { callTimeoutMs, closeTimeoutMs, maxNotedVersions, placeDelayMs } from "./limits.js";
import { readParameters } from "./parameters.js";
import { AgentMail } from "./presentations.js";
import { AdapterError, explainRefusal } from "./refusal.js";
import type { TransportObserver } from "./stdio-transport.js";
import { makeFailure, makeResult, type CallExtra } from "./tool-server.js";
import { getMessages } from "./tools/get-messages.js";
import { listPeers } from "./tools/list-peers.js";
import { messageStatus } from "./tools/message-status.js";
import { sendMessage, UnansweredSends } from "./tools/send-message.js";
import { setName } from "./tools/set-name.js";
import { setSummary } from "./tools/set-summary.js";
import type { Tool, ToolDefinition } from "./tools/definitions.js";
import type { Waker } from "./waking.js";

export interface AdapterOptions {
  readonly config: Config;
  /** Absolute path of the program, with which a broker is started. */
  readonly program: string;
  /** The agent's working directory; undefined where it was removed. */
  readonly cwd: string | undefined;
  /** What answers the host. */
  readonly server: Server;
  /** Takes one line for whoever looks into the host's log. */
  readonly log: (line: string) => void;
}

/** What there is once the host has said who it is. */
interface Attached {
  readonly host: HostClient;
  readonly identity: AgentIdentity;
  readonly line: Line;
  readonly doorbells: Doorbells;
}

const tools: readonly Tool[] = [
  listPeers,
  sendMessage,
  getMessages,
  messageStatus,
  setSummary,
  setName,
];

/**
 * Runs one agent's calls: the host on one side, the broker on the other. The line begins as soon as the host
 * has said who it is, at the latest with the first call.
 */
export class Adapter implements TransportObserver {
  readonly #options: AdapterOptions;
  /** The process of the host. */
  readonly #hostPid = findHostProcess();
  readonly #mail = new AgentMail(systemClock);
  readonly #unanswered = new UnansweredSends();
  readonly #known = new KnownPeers();
  #attached: Attached | undefined;
  /** The look at where the agent works that is to come. */
  #place: Disposable | undefined;

  constructor(options: AdapterOptions) {
    this.#options = options;
    if (options.server.getClientVersion() !== undefined) this.#attach();
  }

  /**
   * Sees each message of the host before the server does: what counts is when it came. A call that came before the
   * adapter was there proves nothing, for no result had been written.
   */
  received(message: JSONRPCMessage): void {
    if (!("method" in message)) return;
    const { presentations } = this.#mail;
    if (message.method === "tools/call" && "id" in message) {
      const { host } = this.#attach();
      const { _meta = {} } = message.params ?? {};
      presentations.beginCall(this.#contextOf(host, _meta));
    } else if (message.method === "notifications/cancelled") {
      const { requestId } = CancelledNotificationSchema.parse(message).params;
      if (requestId !== undefined) presentations.withdraw(requestId);
    }
  }

  written(message: JSONRPCMessage): void {
    if ("result" in message) this.#mail.presentations.written(message.id);
    else if ("error" in message && message.id !== undefined) {
      this.#mail.presentations.withdraw(message.id);
    }
  }

  async call(
    tool: ToolDefinition,
    raw: Readonly<Record<string, unknown>>,
    extra: CallExtra,
  ): Promise<CallToolResult> {
    const attached = this.#attach();
    const call = () => this.#call(attached, toolOf(tool), raw, extra);
    return attached.doorbells.during(call, extra.signal);
  }

  async close(): Promise<void> {
    this.#place?.[Symbol.dispose]();
    await this.#attached?.line.close();
  }

  #attach(): Attached {
    if (this.#attached !== undefined) return this.#attached;
    const { config, cwd, server, log } = this.#options;
    const { name = "", version = "" } = server.getClientVersion() ?? {};
    const host = recogniseHost(name);
    const doorbells = new Doorbells({
      mail: this.#mail,
      clock: systemClock,
      wakers: this.#wakersOf(host),
      onReach: (reach) => this.#attached?.line.tellReach(reach),
      // What cannot be told now is told before the next call is answered.
      onMoved: () => void this.#followHost().catch(() => {}),
      contextNow: () =>
        host.sharesProcess ? this.#attached?.identity.conversationId : this.#conversationNow(),
    });
    doorbells.meetAt({ home: config.home, hostPid: this.#hostPid, session: undefined });
    const started = host.conversationOfProcess(config);
    if (started !== undefined) doorbells.assume(sessionOf(started));
    const identity = new AgentIdentity({
      config,
      client: { name: host.name, version },
      cwd,
      conversationId: namedByHooks(host, doorbells) ?? started,
    });
    const line = new Line({
      connect: connectorOf(this.#options),
      identity,
      mail: this.#mail,
      clock: systemClock,
      receives: true,
      callTimeoutMs,
      closeTimeoutMs,
      isLasting: (problem) => isLasting(problem, config),
      isRemote: () => !atPresent(config).ownsBroker,
      log,
    });
    // Whoever took over has the mail, and the host's hooks.
    line.ended.addEventListener("abort", () => doorbells.close(), { once: true });
    this.#attached = { host, identity, line, doorbells };
    return this.#attached;
  }

  /** The conversation that the host's hooks name; undefined where none has run, or what they name is no sure sign. */
  #conversationNow(): string | undefined {
    const { host, doorbells } = this.#attached ?? {};
    return host && doorbells && namedByHooks(host, doorbells);
  }

  /** How the host's calls name the context that they come from. */
  #contextOf(host: HostClient, meta: Readonly<Record<string, unknown>>): string | undefined {
    return host.conversationOfCall(meta) ?? this.#conversationNow();
  }

  /**
   * Goes with the host to the conversation that its hooks name. They name it before a call of it can
   * come. The environment names only that of the process's start. Claude Code keeps its servers through
   * /clear and /resume, and starts those of `claude -p --continue` with the id of no conversation.
   */
  async #followHost(): Promise<void> {
    const { identity, line } = this.#attach();
    for (;;) {
      const named = this.#conversationNow();
      if (named === undefined || named === identity.conversationId) return;
      await line.bind(named);
    }
  }

  /** A conversation of a host that runs several in one process. The first call that names one names it for good. */
  async #beConversation({ identity, line, doorbells }: Attached, named: string): Promise<void> {
    if (identity.conversationId !== undefined) return;
    await line.bind(named);
    const { home } = this.#options.config;
    doorbells.meetAt({ home, hostPid: this.#hostPid, session: sessionOf(named) });
  }

  #wakersOf(host: HostClient): Waker[] {
    const wakers: Waker[] = [];
    const { wake } = host;
    if (wake !== "none") {
      wakers.push(async (line, signal) => {
        const named = this.#attached?.identity.conversationId;
        return named === undefined ? "refused" : wake(sessionOf(named), line, signal);
      });
    }
    const { channel } = host;
    if (this.#options.config.opensChannel && channel !== "none") {
      // A session that was not started with the channel drops the line, and says nothing.
      wakers.push((line) => announce(this.#options.server, channel.notification(line)));
    }
    return wakers;
  }

  async #call(
    attached: Attached,
    tool: Tool,
    raw: Readonly<Record<string, unknown>>,
    { requestId, signal, _meta = {}, sendNotification }: CallExtra,
  ): Promise<CallToolResult> {
    const { host, identity, line, doorbells } = attached;
    const { presentations } = this.#mail;
    const context = this.#contextOf(host, _meta);
    this.#lookAtPlace(attached);
    try {
      line.ended.throwIfAborted();
      const parameters = readParameters(tool, raw);
      const named = host.conversationOfCall(_meta);
      if (named === undefined) await this.#followHost();
      else await this.#beConversation(attached, named);
      const facts = await tool.run(parameters, {
        line,
        identity,
        mail: this.#mail,
        unanswered: this.#unanswered,
        known: this.#known,
        host,
        cwd: this.#options.cwd,
        signal,
        whileWaiting: (wait) => doorbells.whileWaiting(wait),
        show: (pieces) => {
          if (this.#contextOf(host, _meta) !== context) throw movedOn();
          if (pieces.length > 0) presentations.show(requestId, context, pieces);
        },
        reportProgress: async (elapsedMs, totalMs) => {
          const { progressToken } = _meta;
          if (progressToken === undefined || signal.aborted) return;
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

  /**
   * A branch may have been switched since the last call: that is looked at after the answer, for calls in a row
   * together.
   */
  #lookAtPlace(attached: Attached): void {
    this.#place ??= systemClock.after(placeDelayMs, () => {
      this.#place = undefined;
      void this.#tellPlace(attached);
    });
  }

  /** What cannot be told now is told with the next call. */
  async #tellPlace({ identity, line }: Attached): Promise<void> {
    await identity.profile
      .tellChange(async (place) => {
        const { peer } = await line.call(
          (client, options) => client.updatePeer(place, options),
          line.ended,
        );
        if (peer?.peerId === identity.peer?.peerId && peer !== undefined) identity.update(peer);
      })
      .catch(() => {});
  }

  /** What the model is told of an error; what is a defect goes to the log too. */
  #explain(error: unknown): string {
    if (error instanceof AdapterError) return error.message;
    if (error instanceof LineError) return explainLine(error, this.#attached?.identity);
    if (error instanceof RpcError) return explainRefusal(error).message;
    this.#options.log(`defect: ${error instanceof Error ? error.stack : String(error)}`);
    return "Peerline's MCP server failed: a defect, not your call. Your host's log of this server says why. Try once more, then tell your user.";
  }
}

function toolOf({ name }: ToolDefinition): Tool {
  const tool = tools.find((one) => one.name === name);
  if (tool === undefined) throw new Error(`nothing runs the tool ${name}`);
  return tool;
}

/** Puts a line into the host's channel of this server. */
async function announce(
  server: Server,
  notification: ReturnType<Channel["notification"]>,
): Promise<WakeResult> {
  try {
    await server.notification(notification);
    return "sent";
  } catch {
    // The host has closed its end.
    return "refused";
  }
}

function namedByHooks(host: HostClient, { conversation }: Doorbells): string | undefined {
  return host.sharesProcess ? undefined : conversationId(host.name, conversation);
}

/** Finds the broker, and tells once of each other version. It is left alone: others use it too. */
function connectorOf({ config, program, log }: AdapterOptions) {
  const noted = new Set<string>();
  return async (signal: AbortSignal): Promise<Connection> => {
    // The home may have joined a broker of another machine since, or left one.
    const present = atPresent(config);
    const { ownsBroker: start } = present;
    const search = { config: present, program, start, paced: true, signal };
    const connection = await connectBroker(search);
    const { version } = connection.info;
    if (noted.has(version) || noted.size >= maxNotedVersions) return connection;
    noted.add(version);
    const used = answeredAt(present, connection.endpoint);
    const other = otherVersion(version, { config: used, self: "peerline" });
    if (other !== undefined) log(`${other.seen}: ${other.fix}`);
    return connection;
  };
}

/** Trouble with the settings, the home, or a broker of another's. */
function isLasting(problem: unknown, config: Config): boolean {
  if (!(problem instanceof EndpointError)) return false;
  return problem.code !== "BROKER_UNREACHABLE" || !atPresent(config).ownsBroker;
}

function explainLine({ code, message }: LineError, identity: AgentIdentity | undefined): string {
  if (code !== "SUPERSEDED") return message;
  const name = identity?.peer?.name ?? "this agent";
  return `A newer session of this conversation took over ${name}: its mail goes there. Tell your user: restarting this MCP server takes it back.`;
}

function movedOn(): AdapterError {
  return new AdapterError(
    "MOVED",
    "Your program has gone on to another conversation since this call began. Call again.",
  );
}
