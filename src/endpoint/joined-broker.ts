import { rmSync } from "node:fs";
import { join } from "node:path";
import { writeDurably } from "../durable-file.js";
import { EndpointError, errnoOf, explainStorage } from "./endpoint-error.js";
import { readAddress, formatAddress, type TlsEndpoint } from "./endpoint.js";
import type { GivenPaths } from "./given-certificate.js";
import { maxJoinedBytes } from "./limits.js";
import { openRegularFile } from "./regular-file.js";

/** The broker of another machine that this home has joined, and what lets this machine in there. */
export interface JoinedBroker {
  readonly endpoint: TlsEndpoint;
  /** The broker's certificate authority, as PEM: no other one is trusted. */
  readonly ca: string;
  /** What the broker calls this machine. */
  readonly machine: string;
  /** Proof of who this machine is: 32 random bytes in base64url. */
  readonly credential: string;
  /** The certificate of this machine, where the broker asks for one. */
  readonly given?: GivenPaths;
}

export function joinedPathIn(home: string): string {
  return join(home, "joined.json");
}

/** The broker that a home has joined; undefined where it uses its own. CONFIG_INVALID for a damaged file. */
export function readJoinedBroker(home: string): JoinedBroker | undefined {
  const path = joinedPathIn(home);
  const text = readText(path);
  if (text === undefined) return undefined;
  const found = parse(text);
  if (found !== undefined) return found;
  throw new EndpointError(
    "CONFIG_INVALID",
    `${path} is damaged. Run \`peerline leave\`, and join again with a new line.`,
  );
}

/** Keeps it, durably and for this user alone. */
export async function keepJoinedBroker(home: string, broker: JoinedBroker): Promise<void> {
  const { endpoint, ca, machine, credential, given } = broker;
  const paths = given === undefined ? {} : { tlsCert: given.certificate, tlsKey: given.key };
  const fields = { address: formatAddress(endpoint), machine, credential, ca, ...paths };
  const path = joinedPathIn(home);
  try {
    await writeDurably(path, `${JSON.stringify(fields, undefined, 2)}\n`, { replaces: true });
  } catch (error) {
    throw explainStorage(error, path);
  }
}

/** The home uses its own broker from now on. */
export function forgetJoinedBroker(home: string): void {
  rmSync(joinedPathIn(home), { force: true });
}

/** Undefined where there is no file, or no home that can be looked into: whoever opens that learns why. */
function readText(path: string): string | undefined {
  try {
    using file = openRegularFile(path);
    return file?.read(0, maxJoinedBytes).toString();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function parse(text: string): JoinedBroker | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof fields !== "object" || fields === null) return undefined;
  const { address, ca, machine, credential, tlsCert, tlsKey } = fields as Record<string, unknown>;
  const given = tlsCert === undefined && tlsKey === undefined ? [] : [tlsCert, tlsKey];
  const parts = [address, ca, machine, credential, ...given];
  if (!parts.every((part) => typeof part === "string")) return undefined;
  const place = readAddress(String(address));
  if (place === undefined || !/^[\w-]{43}$/.test(String(credential))) return undefined;
  return {
    endpoint: { kind: "tls", ...place },
    ca: String(ca),
    machine: String(machine),
    credential: String(credential),
    ...(given.length === 0 ? {} : { given: { certificate: String(tlsCert), key: String(tlsKey) } }),
  };
}
