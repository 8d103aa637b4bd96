import { createHash, createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { isIP } from "node:net";
import { visibleLine } from "../contract/peer-text.js";
import { EndpointError, errnoOf } from "./endpoint-error.js";
import { maxGivenBytes, maxGivenCertificates } from "./limits.js";
import { readRegularFile } from "./regular-file.js";

/** Where somebody with certificates of their own keeps one, as absolute paths of files in PEM form. */
export interface GivenPaths {
  /** The certificate itself first, then those that lead to its authority. */
  readonly certificate: string;
  /** Its private key, unencrypted: nobody is there to type a passphrase. */
  readonly key: string;
}

/** A certificate from somebody's own authority, both parts as PEM. */
export interface GivenCertificate {
  readonly key: string;
  readonly chain: string;
  /** The certificates in it, the own one first. */
  readonly certificates: readonly [X509Certificate, ...X509Certificate[]];
}

/** CONFIG_INVALID where one of the files cannot be used; the message names it, and says what would do. */
export async function readGivenCertificate(
  paths: GivenPaths,
  nowMs: number,
): Promise<GivenCertificate> {
  const certificates = await readCertificates(paths.certificate);
  const key = await readKey(paths.key);
  const [own] = certificates;
  if (!own.checkPrivateKey(key)) {
    throw invalid(
      paths.key,
      `is the key of another certificate than ${paths.certificate} begins with`,
    );
  }
  requireNow(paths.certificate, own, nowMs);
  for (const [index, issuer] of certificates.slice(1).entries()) {
    if (isIssuer(issuer, certificates[index] ?? own)) continue;
    throw invalid(
      paths.certificate,
      `is no chain: certificate ${index + 2} did not issue the one before it. Put the own one first, then its issuer, up to the root`,
    );
  }
  return {
    key: key.export({ type: "pkcs8", format: "pem" }).toString(),
    chain: certificates.map(String).join(""),
    certificates,
  };
}

/** The same for a server that is reached under this name or IP address, and what others know it by. */
export async function readGivenServerCertificate(
  paths: GivenPaths,
  host: string,
  nowMs: number,
): Promise<GivenCertificate & { caHash: string; endMs: number }> {
  const given = await readGivenCertificate(paths, nowMs);
  const [own] = given.certificates;
  const root = given.certificates.at(-1) ?? own;
  if (root.issuer !== root.subject || !root.verify(root.publicKey)) {
    throw invalid(
      paths.certificate,
      "does not lead to its root: append the authority's own certificate, by which other machines know this broker after each renewal",
    );
  }
  if ((isIP(host) === 0 ? own.checkHost(host) : own.checkIP(host)) === undefined) {
    const names = visibleLine(own.subjectAltName ?? "no name").slice(0, 200);
    throw invalid(
      paths.certificate,
      `is not for ${host} (it is for ${names}): use --address with a name that it has`,
    );
  }
  const caHash = createHash("sha256").update(root.raw).digest("hex");
  return { ...given, caHash, endMs: Date.parse(own.validTo) };
}

/** The authorities whose certificates are accepted, as PEM. CONFIG_INVALID as above. */
export async function readGivenAuthorities(path: string, nowMs: number): Promise<string> {
  const certificates = await readCertificates(path);
  for (const certificate of certificates) {
    if (!certificate.ca)
      throw invalid(
        path,
        `holds a certificate that is of no authority (${subjectOf(certificate)})`,
      );
    requireNow(path, certificate, nowMs);
  }
  return certificates.map(String).join("");
}

async function readCertificates(path: string): Promise<[X509Certificate, ...X509Certificate[]]> {
  const text = await readText(path);
  const [first, ...others] = text.match(certificateForm) ?? [];
  if (first === undefined) {
    throw invalid(
      path,
      "holds no certificate in PEM form: write it so with `openssl x509 -inform der`",
    );
  }
  if (others.length >= maxGivenCertificates) {
    throw invalid(path, `holds more than ${maxGivenCertificates} certificates`);
  }
  try {
    return [new X509Certificate(first), ...others.map((one) => new X509Certificate(one))];
  } catch (cause) {
    throw invalid(path, "holds a certificate that is damaged", cause);
  }
}

const certificateForm = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

async function readKey(path: string): Promise<KeyObject> {
  const text = await readText(path);
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw invalid(
      path,
      "is encrypted, and nobody is there to type its passphrase: use a key without one, readable by you alone",
    );
  }
  const found = /-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----[^-]+-----END \1-----/.exec(text);
  if (found === null) throw invalid(path, "holds no private key in PEM form");
  try {
    return createPrivateKey(found[0]);
  } catch {
    // The cause may show parts of the key.
    throw invalid(path, "holds a private key that is damaged");
  }
}

async function readText(path: string): Promise<string> {
  try {
    const file = await readRegularFile(path, maxGivenBytes);
    if (file === undefined) throw invalid(path, "is not there, or is no file");
    if (file.bytes === undefined) throw invalid(path, `has more than ${maxGivenBytes} bytes`);
    return file.bytes.toString("latin1");
  } catch (cause) {
    const why = errnoOf(cause);
    if (cause instanceof EndpointError || why === undefined) throw cause;
    throw invalid(path, `cannot be read (${why})`, cause);
  }
}

function requireNow(path: string, certificate: X509Certificate, nowMs: number): void {
  const { validFrom, validTo } = certificate;
  if (Date.parse(validTo) <= nowMs) {
    throw invalid(path, `has expired (${subjectOf(certificate)}, on ${validTo}): renew it`);
  }
  if (Date.parse(validFrom) > nowMs) {
    throw invalid(
      path,
      `is not valid before ${validFrom} (${subjectOf(certificate)}): look at the clock`,
    );
  }
}

function isIssuer(issuer: X509Certificate, issued: X509Certificate): boolean {
  return issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
}

function subjectOf({ subject }: X509Certificate): string {
  return visibleLine((subject ?? "without a name").replaceAll("\n", ", ")).slice(0, 100);
}

function invalid(path: string, sentence: string, cause?: unknown): EndpointError {
  return new EndpointError("CONFIG_INVALID", `${path} ${sentence}.`, { cause });
}
