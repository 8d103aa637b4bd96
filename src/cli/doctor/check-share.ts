import { join } from "node:path";
import type { ShareSettings } from "../../endpoint/broker-settings.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import {
  readGivenAuthorities,
  readGivenServerCertificate,
} from "../../endpoint/given-certificate.js";
import { readAuthority } from "../../endpoint/kept-certificate.js";
import { certificateWarningMs } from "../limits.js";
import { span } from "../print/words.js";
import { readSettings } from "./check-sharing.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/**
 * What the broker shows to other machines, or asks them for: certificates from elsewhere, or its own authority.
 * The certificate that this one has signed it renews itself.
 */
export async function checkShare({ config, home, nowMs }: Evidence): Promise<readonly Finding[]> {
  if (!config.ownsBroker || home.state !== "usable") return [];
  const settings = await readSettings(home.path);
  if (settings === undefined || settings === "unreadable") return [];
  const authority = settings.given === undefined ? await checkAuthority(home.path) : [];
  return [...authority, ...(await checkGiven(settings, nowMs))];
}

async function checkAuthority(home: string): Promise<Finding[]> {
  const subject = join(home, "tls", "ca.pem");
  try {
    await readAuthority(subject);
    return [];
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    const seen = error.message;
    const fix =
      "Put it back from a backup, or move it away and let each machine join again; then run `peerline share`";
    return [{ id: "share-authority-unusable", severity: "problem", subject, seen, fix }];
  }
}

async function checkGiven(settings: ShareSettings, nowMs: number): Promise<Finding[]> {
  const { given, clientCa, address } = settings;
  if (given === undefined && clientCa === undefined) return [];
  const subject = given?.certificate ?? clientCa ?? "";
  try {
    if (clientCa !== undefined) await readGivenAuthorities(clientCa, nowMs);
    if (given === undefined) return [fine(subject, "other machines prove themselves by it")];
    const { endMs } = await readGivenServerCertificate(given, address.host, nowMs);
    const seen = `the broker's certificate, good for ${span(endMs - nowMs)}`;
    if (endMs - nowMs > certificateWarningMs) return [fine(subject, seen)];
    const fix = "Renew it in its place: the broker reads it anew within a minute";
    return [{ id: "share-certificate-ends", severity: "warning", subject, seen, fix }];
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    const fix =
      "Put that right in its place, or share with another: the broker reads it anew within a minute";
    const seen = error.message;
    return [{ id: "share-certificate-unusable", severity: "problem", subject, seen, fix }];
  }
}

function fine(subject: string, seen: string): Finding {
  return { id: "share-certificate", severity: "ok", subject, seen };
}
