import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import { checkServerIdentity, connect as connectTls, type TLSSocket } from "node:tls";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { GetServerInfoResponse } from "../../gen/peerline/v1/broker_service_pb.js";
import { AbortScope } from "../abort-scope.js";
import { CodedError } from "../coded-error.js";
import type { Clock } from "../clock.js";
import { tlsVersion } from "../rpc/limits.js";
import { RpcError } from "../rpc/error.js";
import { EndpointError, errnoOf } from "./endpoint-error.js";
import type { Address } from "./endpoint.js";
import type { MachinePlace } from "./joined-broker.js";
import { askJoinedBroker } from "./joined-channel.js";
import { addressAttemptMs, answerTimeoutMs, roundTrips } from "./limits.js";

/** The way to the broker of another machine, link after link, as far as it holds. */
export interface Chain {
  /** The IP addresses that its name has here; undefined where the name is not known, or is an address. */
  readonly addresses?: readonly string[];
  /** Something takes connections at its port. */
  readonly isOpen?: true;
  /** What answers there proves itself with. */
  readonly certificate?: CertificateSpan;
  /** What the broker says of itself to this machine. */
  readonly info?: GetServerInfoResponse;
  /** By how much its clock is ahead of this one; undefined where it does not tell. */
  readonly clockAheadMs?: number;
  /** The median of some calls. */
  readonly roundTripMs?: number;
  /** The first link that does not hold; undefined where all do. */
  readonly broken?: BrokenLink;
}

/** From when until when a certificate is good, by the clock of its maker. */
export interface CertificateSpan {
  readonly fromMs: number;
  readonly endMs: number;
}

export type BrokenLink =
  /** The system knows no address for its name. */
  | { readonly link: "name"; readonly errno: string }
  /** Nobody takes the connection. */
  | { readonly link: "port"; readonly errno: string }
  /** What takes it speaks no TLS 1.3, or is another one. */
  | { readonly link: "certificate"; readonly fault: CertificateFault }
  /** The broker knows this machine no more. */
  | { readonly link: "credential" }
  /** It does not answer calls; `why` is for people. */
  | { readonly link: "answer"; readonly why: string };

export type CertificateFault = "no-tls" | "silent" | "foreign" | "ended" | "early" | "other-name";

/**
 * Follows the way to a joined broker:
 *
 * 1. Its name has an address here.
 * 2. Something takes connections at its port.
 * 3. That proves by a certificate that it is the broker that was joined. Nothing secret was sent so far.
 * 4. It lets this machine in.
 * 5. Some calls more, one after the other, tell how long a call takes, and the quickest one the time there.
 */
export async function followChain(
  place: MachinePlace,
  clock: Clock,
  signal: AbortSignal,
): Promise<Chain> {
  const chain = await lookAtServer(place.endpoint, place.ca, signal);
  return chain.broken === undefined
    ? { ...chain, ...(await measure(place, clock, signal)) }
    : chain;
}

/**
 * The first three links of it.
 *
 * @param ca the only authority that is trusted; undefined where what answers is not to prove itself
 */
export async function lookAtServer(
  address: Address,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<Chain> {
  let chain: Chain = {};
  try {
    if (isIP(address.host) === 0) chain = { addresses: await resolve(address.host, signal) };
    const tcp = await openPort(address, signal);
    try {
      chain = { ...chain, isOpen: true };
      if (ca === undefined) return chain;
      return { ...chain, certificate: await verify(tcp, address, ca, signal) };
    } finally {
      tcp.destroy();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Broken) return { ...chain, ...error.seen, broken: error.link };
    throw error;
  }
}

class Broken extends Error {
  constructor(
    readonly link: BrokenLink,
    readonly seen: Pick<Chain, "certificate"> = {},
  ) {
    super(link.link);
  }
}

async function resolve(host: string, signal: AbortSignal): Promise<string[]> {
  using wait = new AbortScope([signal], answerTimeoutMs);
  const late = new Promise<never>((_resolve, reject) => {
    wait.signal.addEventListener("abort", () => reject(wait.signal.reason as Error), {
      once: true,
    });
  });
  try {
    const found = await Promise.race([lookup(host, { all: true }), late]);
    return found.map(({ address }) => address);
  } catch (error) {
    throw new Broken({ link: "name", errno: wait.isTimeUp ? "ETIMEDOUT" : (errnoOf(error) ?? "") });
  }
}

async function verify(
  tcp: Socket,
  address: Address,
  ca: string,
  signal: AbortSignal,
): Promise<CertificateSpan> {
  const tls = await shakeHands(tcp, address, ca, signal);
  const { valid_from: from, valid_to: end } = tls.getPeerCertificate();
  const certificate = { fromMs: Date.parse(from), endMs: Date.parse(end) };
  if (tls.authorized) return certificate;
  const fault = faults[codeOf(tls.authorizationError)] ?? "foreign";
  // The dates of a certificate that somebody else made say nothing.
  throw new Broken({ link: "certificate", fault }, fault === "foreign" ? {} : { certificate });
}

/** Node gives the code alone, or an error that has it. */
function codeOf(error: Error | string | undefined): string {
  return error instanceof Error ? (errnoOf(error) ?? "") : (error ?? "");
}

const faults: Readonly<Record<string, CertificateFault>> = {
  CERT_HAS_EXPIRED: "ended",
  CERT_NOT_YET_VALID: "early",
  ERR_TLS_CERT_ALTNAME_INVALID: "other-name",
};

/** Whether something takes connections at an address: the connection, or the link that breaks there. */
function openPort(address: Address, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ ...address, autoSelectFamilyAttemptTimeout: addressAttemptMs });
  return settle(socket, "connect", signal, {
    onError: (error) => new Broken({ link: "port", errno: firstErrno(error) }),
    onLate: () => new Broken({ link: "port", errno: "ETIMEDOUT" }),
  });
}

/** Of several addresses that were tried, the first one's. */
function firstErrno(error: Error): string {
  const [first = error] = error instanceof AggregateError ? (error.errors as Error[]) : [];
  return errnoOf(first) ?? "";
}

/** Speaks TLS without sending anything of this machine; whether it trusts the other side is looked at later. */
function shakeHands(
  tcp: Socket,
  { host }: Address,
  ca: string,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const socket = connectTls({
    socket: tcp,
    ca,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    checkServerIdentity: (_name, found) => checkServerIdentity(host, found),
    rejectUnauthorized: false,
    minVersion: tlsVersion,
    ALPNProtocols: ["h2"],
  });
  return settle(socket, "secureConnect", signal, {
    onError: () => new Broken({ link: "certificate", fault: "no-tls" }),
    onLate: () => new Broken({ link: "certificate", fault: "silent" }),
  });
}

/** Resolves to the socket once it has come so far, and not later than a call may take. */
function settle<S extends Socket>(
  socket: S,
  event: string,
  signal: AbortSignal,
  { onError, onLate }: { onError: (error: Error) => Error; onLate: () => Error },
): Promise<S> {
  const wait = new AbortScope([signal], answerTimeoutMs);
  return new Promise<S>((resolve, reject) => {
    let isSettled = false;
    const fail = (error: Error): void => {
      if (isSettled) return;
      isSettled = true;
      reject(error);
      socket.destroy();
    };
    wait.signal.addEventListener("abort", () =>
      fail(wait.isTimeUp ? onLate() : (signal.reason as Error)),
    );
    socket.once(event, () => {
      isSettled = true;
      resolve(socket);
    });
    socket.on("error", (error: Error) => fail(onError(error)));
    socket.once("close", () => fail(onError(new Error("closed"))));
  }).finally(() => wait[Symbol.dispose]());
}

async function measure(
  place: MachinePlace,
  clock: Clock,
  signal: AbortSignal,
): Promise<Pick<Chain, "info" | "clockAheadMs" | "roundTripMs" | "broken">> {
  try {
    await using connection = await askJoinedBroker(place, signal);
    const calls = [];
    for (let made = 0; made < roundTrips; made++) {
      const [beganMs, began] = [clock.now(), clock.monotonic()];
      const options = { signal, timeoutMs: answerTimeoutMs };
      const { brokerTime } = await connection.client.getServerInfo({}, options);
      const tookMs = clock.monotonic() - began;
      const thereMs = brokerTime === undefined ? undefined : timestampMs(brokerTime);
      calls.push({ tookMs, aheadMs: thereMs && thereMs - (beganMs + tookMs / 2) });
    }
    const ordered = calls.toSorted((a, b) => a.tookMs - b.tookMs);
    const aheadMs = ordered[0]?.aheadMs;
    return {
      info: connection.info,
      ...(aheadMs === undefined ? {} : { clockAheadMs: aheadMs }),
      roundTripMs: ordered[Math.floor(roundTrips / 2)]?.tookMs ?? 0,
    };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CodedError || error instanceof RpcError)) throw error;
    const isRefused = error instanceof EndpointError && error.code === "MACHINE_REFUSED";
    return { broken: isRefused ? { link: "credential" } : { link: "answer", why: error.message } };
  }
}
