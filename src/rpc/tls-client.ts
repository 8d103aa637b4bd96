import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext } from "node:tls";
import {
  ChannelCredentials,
  credentials,
  Metadata,
  type ChannelOptions,
  type VerifyOptions,
} from "@grpc/grpc-js";
import { tlsVersion } from "./limits.js";

/** How a channel over TCP knows its server, and what proves its own side. */
export interface TlsClient {
  /** The only certificate authority that the server's certificate may come from, as PEM. */
  readonly ca: string;
  /** What this side proves itself with where the server asks for a certificate, both as PEM. */
  readonly certificate?: { readonly key: string; readonly chain: string };
  /** Go with every call, once the server is known. In printable ASCII. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What grpc-js needs for it. @param address `host:port` */
export function tlsChannel(
  address: string,
  { ca, certificate, headers = {} }: TlsClient,
): { credentials: ChannelCredentials; options: ChannelOptions } {
  const host = address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  const own = certificate === undefined ? {} : { key: certificate.key, cert: certificate.chain };
  const context = createSecureContext({ ca, minVersion: tlsVersion, ...own });
  const verify: VerifyOptions = {
    checkServerIdentity: (_name, found) => checkServerIdentity(host, found),
  };
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return {
    credentials: credentials.combineChannelCredentials(
      ChannelCredentials.createFromSecureContext(context, verify),
      credentials.createFromMetadataGenerator((_options, answer) => answer(null, metadata)),
    ),
    // An address is no server name: Node would print a warning. The certificate is checked against the address.
    options: isIP(host) === 0 ? {} : { "grpc.ssl_target_name_override": unnamedServer },
  };
}

/** A name that no server is asked by. */
const unnamedServer = "peerline.invalid";
