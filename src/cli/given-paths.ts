import { resolve } from "node:path";
import type { GivenPaths } from "../endpoint/given-certificate.js";
import { CliError } from "./failure.js";

/** The options by which a command is told of a certificate. */
export interface GivenOptions {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** Where the certificate is, with absolute paths; undefined where none is given. */
export function givenPaths({ tlsCert, tlsKey }: GivenOptions): GivenPaths | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsKey === undefined) throw new CliError("USAGE", "--tls-cert needs --tls-key beside it.");
  if (tlsCert === undefined) throw new CliError("USAGE", "--tls-key needs --tls-cert beside it.");
  return { certificate: resolve(tlsCert), key: resolve(tlsKey) };
}
