import { existsSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, resolve } from "node:path";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { Identity } from "../client/identity.js";
import { Line, type LineState } from "../client/line.js";
import { Mail } from "../client/mail.js";
import { systemClock } from "../clock.js";
import { nameForm, readName } from "../contract/names.js";
import { Code, RpcError } from "../rpc/error.js";
import { atPresent, readConfig, workingDirectory, type Config } from "./config.js";
import { connectBroker } from "./connect.js";
import { EndpointError } from "./endpoint-error.js";
import { openHome } from "./home.js";
import { openProgramSecret, openSecretFile } from "./secrets.js";
import { VERSION } from "./version.js";

export interface ConnectOptions {
  /**
   * The name by which others reach this program: 1 to 40 of a-z, 0-9, dot, underscore and hyphen. If
   * another peer has it, the broker adds a number: `line.peer.name` is the name in force.
   */
  readonly name: string;
  /**
   * The file with the secret that proves who this program is, made on first use with mode 0600. Default:
   * `peers/NAME.identity` in the home. Its folder has to be there.
   */
  readonly identity?: string;
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
  /** Hears of each change of the line's state. */
  readonly onState?: (state: LineState) => void;
  /** Takes one line at a time about the connection. Default: nobody is told. */
  readonly log?: (line: string) => void;
}

/** As `connect` of the package; `program` is what a broker is started with. */
export async function connect(options: ConnectOptions, program: string): Promise<Line> {
  const { signal, onState, log, identity } = options;
  const { name, problem } = readName(options.name);
  if (problem !== undefined) throw new EndpointError("CONFIG_INVALID", `\`name\` ${problem}.`);
  // Two programs whose names differ are never one peer.
  if (name !== options.name) {
    const sentence = `\`name\` "${options.name}" is no name (use ${nameForm}): "${name}" would do.`;
    throw new EndpointError("CONFIG_INVALID", sentence);
  }
  const config = readConfig();
  if (identity !== undefined) checkIdentity(identity);
  const openSecret = async (): Promise<string> =>
    identity === undefined
      ? openProgramSecret(openHome(config.home), name)
      : openSecretFile(resolve(identity));
  const introduction = { name, kind: PeerKind.PROGRAM };
  const line = openLine({
    config,
    program,
    openSecret,
    introduction,
    receives: false,
    onState,
    log,
  });
  try {
    await line.ready(signal);
    return line;
  } catch (error) {
    await line.close();
    throw error;
  }
}

function checkIdentity(path: string): void {
  const problem =
    path === ""
      ? "is empty: name a file"
      : statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
        ? `${path} is a folder: name a file in it`
        : existsSync(dirname(resolve(path)))
          ? undefined
          : `${path} is in a folder that is not there: make it first`;
  if (problem !== undefined) throw new EndpointError("CONFIG_INVALID", `\`identity\` ${problem}.`);
}

/**
 * Opens the line of a client with one secret to the broker of this machine, which is started where none
 * runs. All processes with that secret are one instance to the broker, so that they share a session: any of
 * them may send, and the newest that reads gets the messages.
 */
export function openLine(options: {
  config: Config;
  /** Absolute path of the program, with which a broker is started. */
  program: string;
  /** The secret, made on first use. */
  openSecret: () => Promise<string>;
  introduction: { name?: string; baseName?: string; kind: PeerKind };
  receives: boolean;
  onState?: ((state: LineState) => void) | undefined;
  log?: ((line: string) => void) | undefined;
}): Line {
  const { config, program, openSecret, introduction } = options;
  const profile = {
    clientName: "peerline",
    clientVersion: VERSION,
    host: hostname(),
    cwd: workingDirectory() ?? "",
  };
  const identity = new Identity({
    keyring: {
      list: async () => [],
      create: async () => ({ secret: await openSecret() }),
      remove: async () => {},
    },
    introduce: async () => ({ ...introduction, profile }),
    instanceId: "",
  });
  let paced = false;
  return new Line({
    ...options,
    identity,
    mail: new Mail(systemClock),
    clock: systemClock,
    isLasting,
    isRemote: () => !atPresent(config).ownsBroker,
    connect: async (signal) => {
      const search = { config: atPresent(config), program, start: true, paced, signal };
      // Whoever calls for the first time may have fixed what kept a broker from starting.
      paced = true;
      return connectBroker(search);
    },
  });
}

/** A broker that was lost, or is slow, is waited for; one that was never met is not. */
function isLasting(problem: unknown, wasLive: boolean): boolean {
  if (problem instanceof RpcError) return !passingCodes.has(problem.code);
  const isAway = problem instanceof EndpointError && awayCodes.has(problem.code);
  return !isAway || !wasLive;
}

const passingCodes: ReadonlySet<number> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
  Code.Unauthenticated,
  Code.Cancelled,
]);

const awayCodes: ReadonlySet<string> = new Set([
  "BROKER_UNREACHABLE",
  "BROKER_START_FAILED",
  "STORE_UNREACHABLE",
]);
