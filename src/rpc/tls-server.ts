import { constants } from "node:crypto";
import type { SecureServerOptions } from "node:http2";
import { ServerCredentials } from "@grpc/grpc-js";
import { handshakeTimeoutMs, tlsVersion } from "./limits.js";

/** What a server proves itself with, and who may connect; all as PEM. */
export interface ServerCertificate {
  readonly key: string;
  /** The server's own certificate first, then those that lead to its authority, itself included. */
  readonly chain: string;
  /** Authorities of clients' certificates. With them each client needs one; by default none is asked for one. */
  readonly clientCa?: string;
}

/**
 * A server's side of TLS. A renewed certificate counts for each connection from then on. Whether clients are
 * asked for certificates stays as it was.
 */
export class TlsCredentials extends ServerCredentials {
  constructor(certificate: ServerCertificate) {
    const requestCert = certificate.clientCa !== undefined;
    super({ handshakeTimeout: handshakeTimeoutMs, requestCert }, contextOf(certificate));
  }

  renew(certificate: ServerCertificate): void {
    this.updateSecureContextOptions(contextOf(certificate));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

/**
 * No session is resumed, so that each connection proves itself by certificates that are good by then. Without
 * tickets Node keeps sessions nowhere.
 */
function contextOf({ key, chain, clientCa }: ServerCertificate): SecureServerOptions {
  return {
    key,
    cert: chain,
    minVersion: tlsVersion,
    secureOptions: constants.SSL_OP_NO_TICKET,
    ...(clientCa === undefined ? {} : { ca: clientCa }),
  };
}
