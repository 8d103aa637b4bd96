import { makeAuthority, makeCertificate } from "../../src/daemon/make-certificate.js";
import type { ServerCertificate } from "../../src/rpc/server.js";

export interface TestCertificate extends ServerCertificate {
  /** The authority, as PEM. */
  readonly ca: string;
}

/** A certificate for these names, from an authority of its own, as it is made at this time. */
export async function testCertificate(
  names: readonly string[] = ["127.0.0.1"],
  nowMs = Date.now(),
): Promise<TestCertificate> {
  const authority = await makeAuthority(nowMs);
  const { key, certificate } = await makeCertificate(authority, names, nowMs);
  return { key, chain: `${certificate}\n${authority.certificate}`, ca: authority.certificate };
}
