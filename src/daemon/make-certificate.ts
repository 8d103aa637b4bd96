// The library's parts find each other by this package's metadata: it has to come first.
import "reflect-metadata";
import { createPrivateKey, KeyObject, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { certificateSkewMs } from "../contract/limits.js";
import type { KeyedCertificate } from "../endpoint/kept-certificate.js";
import { authorityMs, authorityStartMs, certificateMs } from "./limits.js";

/** Makes a certificate authority, which signs the certificates of one broker and nothing else. */
export async function makeAuthority(nowMs: number): Promise<KeyedCertificate> {
  const keys = await newKeys();
  const made = await X509CertificateGenerator.createSelfSigned({
    name: "CN=Peerline broker CA",
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(authorityStartMs),
    notAfter: new Date(Math.max(nowMs, authorityStartMs) + authorityMs),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { key: pemOf(keys.privateKey), certificate: made.toString("pem") };
}

/** Makes the certificate of a broker that is reached under these names and IP addresses. */
export async function makeCertificate(
  authority: KeyedCertificate,
  names: readonly string[],
  nowMs: number,
): Promise<KeyedCertificate> {
  const keys = await newKeys();
  const issuer = new X509Certificate(authority.certificate);
  const made = await X509CertificateGenerator.create({
    subject: "CN=Peerline broker",
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: await signingKey(authority.key),
    signingAlgorithm: algorithm,
    notBefore: new Date(nowMs - certificateSkewMs),
    notAfter: new Date(nowMs + certificateMs),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
      ),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { key: pemOf(keys.privateKey), certificate: made.toString("pem") };
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

cryptoProvider.set(webcrypto);

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

function pemOf(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: "pkcs8", format: "pem" }).toString();
}

async function signingKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: "pkcs8", format: "der" });
  return webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
}
