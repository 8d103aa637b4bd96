import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import type { Connection } from "../client/attachment.js";
import { createBrokerClient } from "../client/broker-client.js";
import { machineHeader } from "../contract/machines.js";
import { visibleLine } from "../contract/peer-text.js";
import { systemClock } from "../clock.js";
import { openChannel, type TlsClient } from "../rpc/client.js";
import { Code, RpcError } from "../rpc/error.js";
import { EndpointError } from "./endpoint-error.js";
import { formatAddress, formatEndpoint } from "./endpoint.js";
import { readGivenCertificate, type GivenPaths } from "./given-certificate.js";
import type { MachinePlace } from "./joined-broker.js";
import { remoteAnswerTimeoutMs } from "./limits.js";

/**
 * A connection to the broker of another machine. Each call over it carries this machine's credential.
 * BROKER_UNREACHABLE where it does not answer, or is not the broker that was joined; MACHINE_REFUSED where
 * it knows this machine no more.
 */
export async function askJoinedBroker(
  { endpoint: place, ca, credential, given }: MachinePlace,
  signal: AbortSignal,
): Promise<Connection> {
  const endpoint = formatEndpoint(place);
  const headers = { [machineHeader]: credential };
  // Each time anew: it may have been renewed.
  const own = await ownCertificate(given);
  const channel = openChannel(formatAddress(place), { ca, headers, ...own });
  try {
    const client = createBrokerClient(channel);
    const info = await client.getServerInfo({}, { signal, timeoutMs: remoteAnswerTimeoutMs });
    const close = async () => channel.close();
    return { endpoint, client, channel, info, close, [Symbol.asyncDispose]: close };
  } catch (cause) {
    channel.close();
    signal.throwIfAborted();
    throw explain(endpoint, cause, given !== undefined);
  }
}

/** As the option of a channel; empty where this machine has none. CONFIG_INVALID where it cannot be used. */
export async function ownCertificate(
  given: GivenPaths | undefined,
): Promise<Pick<TlsClient, "certificate">> {
  if (given === undefined) return {};
  return { certificate: await readGivenCertificate(given, systemClock.now()) };
}

function explain(endpoint: string, cause: unknown, showsCertificate: boolean): unknown {
  if (!(cause instanceof RpcError)) return cause;
  const reason = cause.findDetail(ErrorInfoSchema)?.reason;
  if (reason !== undefined && refusals.has(reason)) {
    return new EndpointError(
      "MACHINE_REFUSED",
      `The broker at ${endpoint} does not let this machine in (it was revoked there, or is unknown): ` +
        "run `peerline leave`, and join again with a new line of `peerline share`.",
      { cause },
    );
  }
  const { code, message } = cause;
  const why = isNoAnswer(code) ? whyUnreachable(message, showsCertificate) : message;
  return new EndpointError(
    "BROKER_UNREACHABLE",
    `The broker at ${endpoint} does not answer: ${why}.`,
    {
      cause,
    },
  );
}

const refusals: ReadonlySet<string> = new Set([
  ErrorReason[ErrorReason.MACHINE_UNKNOWN],
  ErrorReason[ErrorReason.MACHINE_REQUIRED],
]);

/** The call did not get through: nobody answered, or not in time. */
export function isNoAnswer(code: Code): boolean {
  return code === Code.Unavailable || code === Code.DeadlineExceeded;
}

/**
 * What grpc-js says of the last attempt, in one clause.
 *
 * @param showsCertificate this side has shown one of its own
 */
export function whyUnreachable(message: string, showsCertificate = false): string {
  for (const [pattern, words] of causes) if (pattern.test(message)) return words;
  // Node closes the connection of a certificate that it does not accept without a word.
  if (/Failed to connect|ECONNRESET|disconnected before secure/.test(message)) {
    return showsCertificate
      ? "it closes the connection at once: it does not accept the certificate of this machine"
      : "it closes the connection at once: too much may have been tried in vain from this address";
  }
  const [, last = message] =
    /Last error: (?:Error: )?(.*?)(?: \(\d{4}-[^)]*\))?(?:\. Resolution note:.*)?$/s.exec(
      message,
    ) ?? [];
  return visibleLine(last).replace(/\.$/, "").slice(0, 200);
}

const causes: readonly (readonly [RegExp, string])[] = [
  [
    /certificate required|alert number 116/i,
    "it asks for a certificate of this machine: join with --tls-cert and --tls-key",
  ],
  [
    /alert (?:unknown ca|bad certificate|certificate expired|certificate unknown|unsupported certificate|decrypt error)/i,
    "it does not accept the certificate of this machine",
  ],
  [
    /ENOTFOUND|EAI_AGAIN|Name resolution failed/,
    "its name is not known here (`peerline share --address` there gives a line with another)",
  ],
  [
    /Deadline exceeded|ETIMEDOUT/,
    "nobody answers in time (is that machine on, and its port open to this one?)",
  ],
  [/ECONNREFUSED/, "nothing listens there (does its broker run, and is it shared?)"],
  [/EHOSTUNREACH|ENETUNREACH/, "there is no way to that machine now (are both on the network?)"],
  [/certificate has expired|CERT_HAS_EXPIRED/, "its certificate has expired, or a clock is wrong"],
  [/not yet valid|CERT_NOT_YET_VALID/, "its certificate is not valid yet: a clock is wrong"],
  [
    /self.signed.cert|unable.to.verify|unable.to.get.(?:local.)?issuer|signature.failure/i,
    "its certificate is not of the broker that was joined",
  ],
  [/does not match certificate|ERR_TLS_CERT_ALTNAME/, "its certificate is for other addresses"],
  [
    /Protocol error|HTTP\/?2|FRAME_SIZE_ERROR|Frame size|COMPRESSION_ERROR/i,
    "what answers there is no broker of Peerline: it does not speak HTTP/2",
  ],
  [/wrong version number|SSL routines|EPROTO/, "what listens there does not speak TLS 1.3"],
];
