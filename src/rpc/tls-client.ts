import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext } from "node:tls";
import {
  ChannelCredentials,
  credentials,
  Metadata,
  type ChannelOptions,
  type VerifyOptions,
} from "@grpc/grpc-js";
import { abandonable } from "./abandoned-sockets.js";
import { tlsKeepaliveTimeMs, tlsVersion, tlsWindowBytes } from "./limits.js";

/** How a channel over TCP knows its server, and what proves its own side. */
export interface TlsClient {
  /** The only certificate authority that the server's certificate may come from, as PEM. */
  readonly ca: string;
  /** What this side proves itself with where the server asks for a certificate, both as PEM. */
  readonly certificate?: { readonly key: string; readonly chain: string };
  /** Go with every call, once the server is known. In printable ASCII. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What grpc-js needs for a channel to an address. */
export interface Way {
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/**
 * The way to a server over TLS.
 *
 * @param address `host:port`
 * @param abandoned destroys the sockets that are still connecting
 */
export function tlsWay(
  address: string,
  { ca, certificate, headers = {} }: TlsClient,
  abandoned: AbortSignal,
): Way {
  const host = address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  const own = certificate === undefined ? {} : { key: certificate.key, cert: certificate.chain };
  const context = createSecureContext({ ca, minVersion: tlsVersion, ...own });
  const verify: VerifyOptions = {
    checkServerIdentity: (_name, found) => checkServerIdentity(host, found),
  };
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const { target, options } = abandonable(address, abandoned);
  return {
    target,
    credentials: credentials.combineChannelCredentials(
      ChannelCredentials.createFromSecureContext(context, verify),
      credentials.createFromMetadataGenerator((_options, answer) => answer(null, metadata)),
    ),
    options: {
      ...options,
      "grpc-node.flow_control_window": tlsWindowBytes,
      "grpc.keepalive_time_ms": tlsKeepaliveTimeMs,
      // An address is no server name: Node would print a warning. The certificate is checked against the address.
      ...(isIP(host) === 0 ? {} : { "grpc.ssl_target_name_override": unnamedServer }),
    },
  };
}

/** A name that no server is asked by. */
const unnamedServer = "peerline.invalid";
