import type { SecureServerOptions } from "node:http2";
import { ServerCredentials } from "@grpc/grpc-js";
import { handshakeTimeoutMs, tlsVersion } from "./limits.js";

/** What a server proves itself with, both as PEM. */
export interface ServerCertificate {
  readonly key: string;
  /** The server's own certificate first, then those that lead to its authority, itself included. */
  readonly chain: string;
}

/** A server's side of TLS. A renewed certificate counts for each connection from then on. */
export class TlsCredentials extends ServerCredentials {
  constructor(certificate: ServerCertificate) {
    super({ handshakeTimeout: handshakeTimeoutMs }, contextOf(certificate));
  }

  renew(certificate: ServerCertificate): void {
    this.updateSecureContextOptions(contextOf(certificate));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf({ key, chain }: ServerCertificate): SecureServerOptions {
  return { key, cert: chain, minVersion: tlsVersion };
}
