import { hostname } from "node:os";
import type { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { Identity } from "../client/identity.js";
import { Line, type LineState } from "../client/line.js";
import { Mail } from "../client/mail.js";
import { systemClock } from "../clock.js";
import { Code, RpcError } from "../rpc/error.js";
import { workingDirectory, type Config } from "./config.js";
import { connectBroker } from "./connect.js";
import { EndpointError } from "./endpoint-error.js";
import { VERSION } from "./version.js";

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
    isLasting,
    connect: async (signal) => {
      const search = { config, program, start: true, paced, signal };
      // Whoever calls for the first time may have fixed what kept a broker from starting.
      paced = true;
      return connectBroker(search);
    },
  });
}

/** A broker that was lost is waited for; one that was never met is not. */
function isLasting(problem: unknown, wasLive: boolean): boolean {
  if (problem instanceof RpcError) return !lossCodes.has(problem.code);
  const isAway = problem instanceof EndpointError && awayCodes.has(problem.code);
  return !isAway || !wasLive;
}

const lossCodes: ReadonlySet<number> = new Set([
  Code.Unavailable,
  Code.Unauthenticated,
  Code.Cancelled,
]);

const awayCodes: ReadonlySet<string> = new Set(["BROKER_UNREACHABLE", "BROKER_START_FAILED"]);
