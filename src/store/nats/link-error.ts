import { JetStreamApiError } from "@nats-io/jetstream";
import { errors } from "@nats-io/transport-node";
import { StoreError } from "../../broker/store/store.js";
import { visibleLine } from "../../contract/peer-text.js";
import { oldestServer } from "./limits.js";
import type { NatsLogin, NatsOptions } from "../../contract/nats-options.js";

/** Why a server's version is refused; undefined where it will do. */
export function tooOld(version: string): string | undefined {
  const found = version.split(/[.-]/).map(Number);
  for (const [index, least] of oldestServer.entries()) {
    const part = found[index] ?? 0;
    if (part > least) return undefined;
    if (!(part === least)) {
      return `has version ${visibleLine(version)}, and older ones than ${oldestServer.join(".")} lose streams: update it. Debian 12 has 2.9.10 itself; newer packages run there, too.`;
    }
  }
  return undefined;
}

/** Why there is no connection, or what a server complained about, with what helps. */
export function explainConnection(cause: unknown, options: NatsOptions): StoreError {
  const where = options.servers.join(", ");
  if (cause instanceof errors.PermissionViolationError) {
    return unavailable(permissionWords(cause), cause);
  }
  if (cause instanceof errors.UserAuthenticationExpiredError) {
    return unavailable(`The login for NATS has expired: renew ${loginSetting(options)}.`, cause);
  }
  if (cause instanceof errors.AuthorizationError) {
    const fix = `correct ${loginSetting(options)} in broker.toml`;
    return unavailable(`NATS at ${where} does not let this broker in: ${fix}.`, cause);
  }
  const root = rootOf(cause);
  const why = root instanceof Error ? visibleLine(root.message).slice(0, 200) : "";
  // By nats:// the client checks the certificate of an IP address against the name "localhost".
  const tls = isOfTls(root)
    ? " For TLS, write tls:// there, and look at tls_ca, tls_cert and tls_key of [nats]."
    : "";
  return unavailable(
    `No NATS server can be used at ${where} (${why}): start one, or look at store in broker.toml.${tls}`,
    cause,
  );
}

/**
 * Why JetStream cannot be used through a connection, with what helps.
 *
 * @param isOff the server that was asked says that it has no JetStream
 */
export function explainApi(cause: unknown, options: NatsOptions, isOff = false): StoreError {
  const root = rootOf(cause);
  if (root instanceof errors.PermissionViolationError) return explainConnection(root, options);
  if (isNotEnabled(root) || (isOff && root instanceof errors.NoRespondersError)) {
    return unavailable(
      "JetStream is not enabled for this account of NATS: enable it in the account, or start the servers with a jetstream block in their configuration.",
      cause,
    );
  }
  if (root instanceof errors.NoRespondersError || root instanceof errors.TimeoutError) {
    return unavailable(
      "JetStream does not answer: a majority of its servers must run, with a jetstream block in their configuration.",
      cause,
    );
  }
  if (root instanceof JetStreamApiError) {
    return unavailable(`JetStream refuses: ${visibleLine(root.message)} (${root.code}).`, cause);
  }
  return explainConnection(root, options);
}

/** What a server did not permit, with what helps. */
export function permissionWords(
  error: InstanceType<typeof errors.PermissionViolationError>,
): string {
  const what = error.operation === "publish" ? "publish to" : "subscribe to";
  return `NATS does not let this broker ${what} ${visibleLine(error.subject)}: give its user that permission.`;
}

/** Whether it may be over in some seconds, as an election is. */
export function isPassing(cause: unknown): boolean {
  const root = rootOf(cause);
  if (root instanceof errors.PermissionViolationError) return false;
  return !(root instanceof JetStreamApiError) || passingCodes.has(root.code);
}

/** What the client has wrapped. */
export function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? rootOf(error.cause) : error;
}

/** It failed in a handshake, or by a certificate, as Node's own codes tell; or the client asked for TLS in vain. */
function isOfTls(root: unknown): boolean {
  if (root instanceof errors.ConnectionError) return root.cause === undefined;
  return (
    root instanceof Error &&
    "code" in root &&
    /^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|EPROTO)/.test(String(root.code))
  );
}

function isNotEnabled(root: unknown): boolean {
  return root instanceof JetStreamApiError && (root.code === 10_039 || root.code === 10_076);
}

/** Error codes of JetStream with which it says that it has no leader now, or too much to do. */
const passingCodes: ReadonlySet<number> = new Set([
  // Cluster incomplete; no JetStream now; not the leader; no suitable peers for now.
  10_004, 10_008, 10_009, 10_005,
  // The same message is just being stored; too many at once.
  10_158, 10_167,
  // It makes or removes other streams on the disk.
  10_049,
  // It starts, or ends.
  10_076,
]);

/** The setting by which the broker proves who it is, or those that it could. */
function loginSetting({ login }: NatsOptions): string {
  const any =
    "what [nats] says of the login (credentials, nkey_file, user with password_file, or token_file)";
  try {
    const kind = login()?.kind;
    return kind === undefined ? any : `${loginSettings[kind]} of [nats]`;
  } catch {
    return any;
  }
}

const loginSettings: Record<NatsLogin["kind"], string> = {
  credentials: "credentials",
  nkey: "nkey_file",
  password: "user and password_file",
  token: "token_file",
};

function unavailable(sentence: string, cause: unknown): StoreError {
  return new StoreError("UNAVAILABLE", sentence, { cause });
}
