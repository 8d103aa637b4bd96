import { createPrivateKey, X509Certificate } from "node:crypto";
import { EndpointError } from "./endpoint-error.js";
import { maxCertificateBytes } from "./limits.js";
import { readKeptFile } from "./regular-file.js";

/** A certificate with its private key, both as PEM. */
export interface KeyedCertificate {
  readonly key: string;
  readonly certificate: string;
}

/**
 * The authority that a broker has made, by which other machines know it; undefined where nothing stands at the
 * path. CONFIG_INVALID for anything else than an authority with its own key: to make another one would lock
 * out every machine that knows this one.
 */
export async function readAuthority(path: string): Promise<KeyedCertificate | undefined> {
  const found = await readKeyed(path, authorityFix);
  if (found === undefined) return undefined;
  const trouble = found === "damaged" ? "is damaged" : whyNoAuthority(found);
  if (found !== "damaged" && trouble === undefined) return found;
  throw new EndpointError("CONFIG_INVALID", `${path} ${trouble}. ${authorityFix}`);
}

const authorityFix = "Put it back from a backup; or move it away, and let each machine join again.";

/** The certificate that an authority has signed; undefined where there is none, or a damaged one: it can be made anew. */
export async function readOwnCertificate(path: string): Promise<KeyedCertificate | undefined> {
  const found = await readKeyed(path);
  return found === "damaged" ? undefined : found;
}

/** A key and its certificate, one after the other; undefined where nothing stands at the path. */
async function readKeyed(
  path: string,
  fix?: string,
): Promise<KeyedCertificate | "damaged" | undefined> {
  const file = await readKeptFile(path, maxCertificateBytes, fix);
  if (file === undefined) return undefined;
  const text = file.bytes?.toString() ?? "";
  const [key = "", certificate = ""] = text.match(/-----BEGIN [\s\S]*?-----END .*-----/g) ?? [];
  try {
    createPrivateKey(key);
    return { key, certificate: new X509Certificate(certificate).toString() };
  } catch {
    return "damaged";
  }
}

function whyNoAuthority({ key, certificate }: KeyedCertificate): string | undefined {
  const ca = new X509Certificate(certificate);
  if (!ca.ca) return "holds a certificate that is no authority's";
  if (!ca.checkIssued(ca) || !ca.verify(ca.publicKey))
    return "holds an authority that another one has signed";
  return ca.checkPrivateKey(createPrivateKey(key))
    ? undefined
    : "holds a private key that is not its certificate's";
}
