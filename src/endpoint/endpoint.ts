import { isIPv6 } from "node:net";
import { isAbsolute } from "node:path";
import { checkSocketPath } from "./broker-socket.js";
import { EndpointError } from "./endpoint-error.js";
import { maxEndpoints } from "./limits.js";

/** Where a broker answers: on a Unix socket of this machine, or over TLS on any. Plain TCP does not exist. */
export type Endpoint = SocketEndpoint | TlsEndpoint;

export interface SocketEndpoint {
  readonly kind: "unix";
  /** Absolute. */
  readonly path: string;
}

export interface TlsEndpoint extends Address {
  readonly kind: "tls";
}

/** Where something listens in a network. */
export interface Address {
  /** A DNS name, or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** As `unix:/absolute/path` or `tls:host:port`, which `readEndpoint` reads. */
export function formatEndpoint(endpoint: Endpoint): string {
  return endpoint.kind === "unix" ? `unix:${endpoint.path}` : `tls:${formatAddress(endpoint)}`;
}

/** As `host:port`; an IPv6 address stands in brackets. */
export function formatAddress({ host, port }: Address): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/**
 * Reads one endpoint or several, separated by commas; each once. CONFIG_INVALID where an item is none.
 *
 * @param named as in readEndpoint
 */
export function readEndpoints(named: string, value: string): readonly Endpoint[] {
  // A path may have a comma in it: the next item begins with its kind.
  const items = value.split(/,(?=\s*(?:[a-z]+:|,|$))/i).map((item) => item.trim());
  if (items.length > maxEndpoints) {
    const sentence = `names ${items.length} brokers, and may name ${maxEndpoints}`;
    throw new EndpointError("CONFIG_INVALID", `${named} ${sentence}.`);
  }
  if (items.length > 1 && items.includes("")) {
    const sentence =
      "has a comma too many: write one endpoint, or several with a comma between two";
    throw new EndpointError("CONFIG_INVALID", `${named}=${value} ${sentence}.`);
  }
  const endpoints = items.map((item) => readEndpoint(named, item));
  const known = new Map(endpoints.map((endpoint) => [formatEndpoint(endpoint), endpoint]));
  return [...known.values()];
}

/**
 * Reads an endpoint. CONFIG_INVALID where it is none.
 *
 * @param named what gave the value, for the error: a variable or a setting
 */
export function readEndpoint(named: string, value: string): Endpoint {
  const fail = (sentence: string): never => {
    throw new EndpointError("CONFIG_INVALID", `${named}=${value} ${sentence}.`);
  };
  const [, kind, rest = ""] = /^(unix|tls|tcp):(.*)$/s.exec(value) ?? [];
  if (kind === "unix") return readSocket(named, rest, fail);
  if (kind === "tls") return { kind, ...(readAddress(rest) ?? fail(`is no address: ${tlsForm}`)) };
  if (kind === "tcp")
    return fail(`would be without encryption, which Peerline never is: ${tlsForm}`);
  return fail("is not supported: use unix: and the path of a socket, or tls:HOST:PORT");
}

function readSocket(
  named: string,
  rest: string,
  fail: (sentence: string) => never,
): SocketEndpoint {
  // As in a URL, with an empty authority.
  const path = rest.replace(/^\/\/(?=\/)/, "");
  if (!isAbsolute(path)) return fail("has no absolute path: write unix:/the/whole/path");
  checkSocketPath(path, `Set ${named} to the path of a socket in a shorter directory.`);
  return { kind: "unix", path };
}

/** `host:port`; undefined where it is none. */
export function readAddress(text: string): Address | undefined {
  const [, bracketed, plain, digits] = addressForm.exec(text) ?? [];
  const port = Number(digits);
  const host = bracketed ?? plain;
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return bracketed !== undefined && !isIPv6(bracketed) ? undefined : { host, port };
}

const addressForm =
  /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?)):(\d{1,5})$/i;

const tlsForm = "write tls:HOST:PORT, with an IPv6 address in brackets";
