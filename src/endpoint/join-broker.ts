import { create } from "@bufbuild/protobuf";
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import {
  connect,
  type ConnectionOptions,
  type DetailedPeerCertificate,
  type TLSSocket,
} from "node:tls";
import { MachineSchema, type Machine } from "../../gen/peerline/v1/machine_pb.js";
import { systemClock } from "../clock.js";
import { createBrokerClient } from "../client/broker-client.js";
import { readJoinLine, type JoinLine } from "../contract/machines.js";
import { openChannel } from "../rpc/client.js";
import { messageOf, RpcError } from "../rpc/error.js";
import { tlsVersion } from "../rpc/limits.js";
import { EndpointError } from "./endpoint-error.js";
import { formatAddress, readAddress, type Address } from "./endpoint.js";
import type { GivenPaths } from "./given-certificate.js";
import { isNoAnswer, ownCertificate, whyUnreachable } from "./joined-channel.js";
import {
  forgetPendingJoin,
  keepPendingJoin,
  readPendingJoin,
  type MachinePlace,
} from "./joined-broker.js";
import { addressAttemptMs, maxChain, remoteAnswerTimeoutMs } from "./limits.js";

/** A line with which to join, whose address was read as well. */
export interface ReadLine extends Omit<JoinLine, "address"> {
  readonly address: Address;
}

/**
 * Joins the broker that a line names, and resolves to what lets this machine in there from now on.
 *
 * 1. Ask the address for its certificates. Nothing is sent, and nothing of it is trusted yet.
 * 2. The authority among them must have the SHA-256 that the line says.
 * 3. Connect anew, with that authority as the only one: chain, name and dates are verified as usual.
 * 4. Keep a credential that is made here, and what it is for.
 * 5. Enrol with it and the line's token. Where the answer is lost, the same line completes this: the broker
 *    knows the credential.
 *
 * JOIN_FAILED where the text is no line, or what answers is not the broker that it names.
 */
export async function joinBroker(options: {
  line: ReadLine;
  /** Where what is under way is kept; it has to be there. */
  home: string;
  /** The name of this machine. */
  host: string;
  /** The certificate of this machine, where the broker asks for one. */
  given?: GivenPaths;
  signal: AbortSignal;
}): Promise<{ place: MachinePlace; machine: Machine }> {
  const { line, home, host, given, signal } = options;
  const { address } = line;
  const own = await ownCertificate(given);
  const ca = await fetchAuthority(address, line.caHash, signal);
  const endpoint = { kind: "tls", ...address } as const;
  const kept = { endpoint, ca, ...(given === undefined ? {} : { given }) };
  const credential = await openCredential(home, kept, line.token);
  const channel = openChannel(formatAddress(address), { ca, ...own });
  try {
    const client = createBrokerClient(channel);
    const request = { token: line.token, credential, name: host };
    const answer = await client.enrol(request, { signal, timeoutMs: remoteAnswerTimeoutMs });
    return { place: { ...kept, credential }, machine: answer.machine ?? create(MachineSchema) };
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof RpcError && isNoAnswer(cause.code)) {
      const why = whyUnreachable(cause.message, given !== undefined);
      throw failed(address, `${why}. Try the same line again`, cause);
    }
    forgetPendingJoin(home, credential);
    throw cause;
  } finally {
    channel.close();
  }
}

/** The credential of an earlier attempt with the same line, or a new one. It is durable before it is used. */
async function openCredential(
  home: string,
  place: Omit<MachinePlace, "credential">,
  token: string,
): Promise<string> {
  const tokenHash = createHash("sha256").update(token).digest("hex");
  const pending = readPendingJoin(home);
  if (pending?.tokenHash === tokenHash && pending.ca === place.ca) return pending.credential;
  const credential = randomBytes(32).toString("base64url");
  await keepPendingJoin(home, { ...place, credential, tokenHash });
  return credential;
}

/** The line in a text; JOIN_FAILED where there is none. */
export function readLine(text: string): ReadLine {
  const line = readJoinLine(text);
  const address = line && readAddress(line.address);
  if (line !== undefined && address !== undefined) return { ...line, address };
  throw new EndpointError(
    "JOIN_FAILED",
    "This is no line to join with: copy all of what stands between the quotes that `peerline share` printed, " +
      "peerline://HOST:PORT/TOKEN#sha256:HASH.",
  );
}

/** The authority of what answers at an address, as PEM, once its SHA-256 is the one that was given. */
async function fetchAuthority(
  address: Address,
  caHash: string,
  signal: AbortSignal,
): Promise<string> {
  const socket = await shakeHands(address, signal);
  try {
    for (const certificate of chainOf(socket)) {
      const hash = createHash("sha256").update(certificate.raw).digest("hex");
      if (hash === caHash) return certificate.toString();
    }
  } finally {
    socket.destroy();
  }
  throw failed(
    address,
    "what answers there is not the broker that the line names (its certificate authority is another): " +
      "if the broker's machine was set up anew, ask for a new line; else somebody stands between",
  );
}

/** Connects without trusting: the certificates are what is wanted, and are checked by their hash. */
function shakeHands({ host, port }: Address, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const options: ConnectionOptions & { autoSelectFamilyAttemptTimeout: number } = {
      host,
      port,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: false,
      minVersion: tlsVersion,
      ALPNProtocols: ["h2"],
      autoSelectFamilyAttemptTimeout: addressAttemptMs,
    };
    const socket = connect(options);
    const abort = (): void => void socket.destroy(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    // Not of silence: what answers may send a byte now and then.
    const late = systemClock.after(remoteAnswerTimeoutMs, () =>
      socket.destroy(new Error("ETIMEDOUT: no answer")),
    );
    socket.once("close", () => {
      late[Symbol.dispose]();
      signal.removeEventListener("abort", abort);
    });
    socket.once("secureConnect", () => resolve(socket));
    socket.on("error", (cause: Error) => {
      if (signal.aborted) reject(signal.reason as Error);
      else reject(failed({ host, port }, whyUnreachable(wordsOf(cause)), cause));
    });
    if (signal.aborted) abort();
  });
}

/** Where several addresses were tried, the error itself says nothing. */
function wordsOf(error: Error): string {
  return error instanceof AggregateError ? error.errors.map(messageOf).join("; ") : error.message;
}

function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (next?.raw !== undefined && chain.length < maxChain) {
    chain.push(new X509Certificate(next.raw));
    const issuer: DetailedPeerCertificate = next.issuerCertificate;
    next = issuer === next ? undefined : issuer;
  }
  return chain;
}

function failed(address: Address, why: string, cause?: unknown): EndpointError {
  const words = `Nothing was joined. ${formatAddress(address)}: ${why}.`;
  return new EndpointError("JOIN_FAILED", words, { cause });
}
