import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { isIP, SocketAddress } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import { writeDurably } from "../durable-file.js";
import { explainWriting } from "../endpoint/endpoint-error.js";
import { makePath } from "../endpoint/home.js";
import {
  readAuthority,
  readOwnCertificate,
  type KeyedCertificate,
} from "../endpoint/kept-certificate.js";
import type { ServerCertificate } from "../rpc/server.js";
import { renewBeforeMs } from "../contract/limits.js";
import { maxCertificateNames, maxToldNames } from "./limits.js";

/** What a broker proves itself with to other machines, of its own or given. */
export interface Certificates extends ServerCertificate {
  /** SHA-256 of the authority's certificate (DER), lower-case hex: what other machines know it by. */
  readonly caHash: string;
  /** Until when the certificate is good. */
  readonly endMs: number;
}

/**
 * The certificates in a folder of the home, made where they are missing. The broker's own is made anew
 * when it is about to end, has not begun, or lacks one of the names. It keeps the names that it had: machines
 * that joined by them still use them. The authority stays: other machines know it.
 *
 * @param names as of `ownNames`
 */
export async function openCertificates(
  folder: string,
  names: readonly string[],
  nowMs: number,
): Promise<Certificates> {
  const authority = await openAuthority(join(folder, "ca.pem"), folder, nowMs);
  const ca = new X509Certificate(authority.certificate);
  const path = join(folder, "server.pem");
  let own = await readOwnCertificate(path);
  const wanted = own === undefined ? names : mergeNames(names, namesOf(own));
  if (own === undefined || !isGood(own, ca, wanted, nowMs)) {
    const { makeCertificate } = await import("./make-certificate.js");
    own = await makeCertificate(authority, wanted, nowMs);
    await keep(path, folder, own);
  }
  return {
    key: `${own.key.trim()}\n`,
    chain: `${own.certificate.trim()}\n${authority.certificate.trim()}\n`,
    caHash: createHash("sha256").update(ca.raw).digest("hex"),
    endMs: Date.parse(new X509Certificate(own.certificate).validTo),
  };
}

async function openAuthority(
  path: string,
  folder: string,
  nowMs: number,
): Promise<KeyedCertificate> {
  const present = await readAuthority(path);
  if (present !== undefined) {
    const { validTo } = new X509Certificate(present.certificate);
    if (Date.parse(validTo) > nowMs) return present;
  }
  const { makeAuthority } = await import("./make-certificate.js");
  const made = await makeAuthority(nowMs);
  await keep(path, folder, made);
  return made;
}

function isGood(
  { key, certificate }: KeyedCertificate,
  ca: X509Certificate,
  names: readonly string[],
  nowMs: number,
): boolean {
  const own = new X509Certificate(certificate);
  return (
    own.checkIssued(ca) &&
    own.verify(ca.publicKey) &&
    own.checkPrivateKey(createPrivateKey(key)) &&
    Date.parse(own.validFrom) <= nowMs &&
    Date.parse(own.validTo) > nowMs + renewBeforeMs &&
    names.every((name) => (isIP(name) === 0 ? own.checkHost(name) : own.checkIP(name)))
  );
}

async function keep(path: string, folder: string, made: KeyedCertificate): Promise<void> {
  try {
    makePath(folder);
    const text = `${made.key.trim()}\n${made.certificate.trim()}\n`;
    await writeDurably(path, text, { replaces: true });
  } catch (error) {
    throw explainWriting(error, path);
  }
}

/** The names and IP addresses of a certificate, in its order. */
function namesOf({ certificate }: KeyedCertificate): string[] {
  const { subjectAltName = "" } = new X509Certificate(certificate);
  return [...subjectAltName.matchAll(/(?:^|, )(?:DNS|IP Address):([^,"]+)/g)].map(([, name = ""]) =>
    // An IPv6 address stands there in full.
    isIP(name) === 6 ? new SocketAddress({ address: name, family: "ipv6" }).address : name,
  );
}

/**
 * The names for a certificate that takes the place of another one. Those before `localhost` are the ones that
 * other machines were told, the newest first. They outlast the addresses, which change with each network.
 */
function mergeNames(names: readonly string[], present: readonly string[]): string[] {
  const [told, found] = split(names);
  const [toldBefore, foundBefore] = split(present);
  const kept = [...new Set([...told, ...toldBefore])].slice(0, maxToldNames);
  return [...new Set([...kept, ...found, ...foundBefore])].slice(0, maxCertificateNames);
}

function split(names: readonly string[]): [told: readonly string[], found: readonly string[]] {
  const place = names.indexOf(loopbackName);
  // Where `localhost` itself was told, nothing stands before it.
  return place < 0 ? [names, []] : [names.slice(0, place), names.slice(place)];
}

const loopbackName = "localhost";

/**
 * The names and IP addresses under which this machine may be reached: the one that other machines are told, then
 * `localhost`, then those that the machine has.
 */
export function ownNames(advertisedHost: string): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const names = [
    advertisedHost,
    loopbackName,
    ...[hostname()].filter((name) => /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i.test(name)),
    // Those of one link alone carry the link's name, and are not asked for.
    ...addresses.filter(({ scopeid }) => !scopeid).map(({ address }) => address),
  ];
  return [...new Set(names)].slice(0, maxCertificateNames);
}
