import "reflect-metadata";
import { KeyObject, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type X509Certificate,
} from "@peculiar/x509";

/** A certificate authority of somebody else's, which signs what a test asks for. */
export interface TestAuthority {
  readonly pem: string;
  readonly certificate: X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMs = 24 * 60 * 60 * 1000;

cryptoProvider.set(webcrypto);

/** One of its own, or one below another. */
export async function newTestAuthority(
  name: string,
  issuer?: TestAuthority,
): Promise<TestAuthority> {
  const { certificate, keys } = await issue(issuer, `CN=${name}`, {}, [
    new BasicConstraintsExtension(true, undefined, true),
  ]);
  return { pem: certificate.toString("pem"), certificate, keys };
}

/** A certificate with its key, both as PEM. */
export async function issueTestCertificate(
  authority: TestAuthority,
  options: {
    usage: "server" | "client";
    names?: readonly string[];
    /** When it is good: by default for a day, from an hour ago. */
    fromMs?: number;
    endMs?: number;
  },
): Promise<{ key: string; certificate: string }> {
  const { usage, names = ["127.0.0.1"] } = options;
  const { certificate, keys } = await issue(authority, `CN=a ${usage}`, options, [
    new ExtendedKeyUsageExtension([
      usage === "server" ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth,
    ]),
    new SubjectAlternativeNameExtension(
      names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
    ),
  ]);
  const key = KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" }).toString();
  return { key, certificate: certificate.toString("pem") };
}

async function issue(
  issuer: TestAuthority | undefined,
  subject: string,
  {
    fromMs = Date.now() - 3_600_000,
    endMs = Date.now() + dayMs,
  }: { fromMs?: number; endMs?: number },
  extensions: NonNullable<Parameters<typeof X509CertificateGenerator.create>[0]["extensions"]>,
) {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.create({
    subject,
    issuer: issuer?.certificate.subject ?? subject,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: algorithm,
    notBefore: new Date(fromMs),
    notAfter: new Date(endMs),
    extensions,
  });
  return { certificate, keys };
}
