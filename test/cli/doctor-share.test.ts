import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkShare } from "../../src/cli/doctor/check-share.js";
import type { Evidence } from "../../src/cli/doctor/evidence.js";
import { openCertificates } from "../../src/daemon/certificates.js";
import { issueTestCertificate, newTestAuthority } from "../support/test-authority.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";

const dayMs = 86_400_000;

/** What the check looks at of a home whose broker shows a certificate that ends so late. */
async function evidenceOf(endMs: number): Promise<Evidence & { key: string; certificate: string }> {
  const path = temporaryDirectory();
  const root = await newTestAuthority("root");
  const made = await issueTestCertificate(root, { usage: "server", names: ["laptop"], endMs });
  const [certificate, key] = [join(path, "own.pem"), join(path, "own.key")];
  writeFileSync(certificate, made.certificate + root.pem);
  writeFileSync(key, made.key);
  writeFileSync(
    join(path, "broker.toml"),
    `[share]\nlisten = "0.0.0.0:1"\naddress = "laptop:1"\ntls_cert = "${certificate}"\ntls_key = "${key}"\n`,
  );
  const evidence: Partial<Evidence> = {
    config: { ownsBroker: true } as Evidence["config"],
    home: { state: "usable", path },
    nowMs: Date.now(),
  };
  return { ...(evidence as Evidence), certificate, key };
}

test("a certificate that is given is looked at: how long it is good, and why it cannot be used", async () => {
  const good = await evidenceOf(Date.now() + 30 * dayMs);
  expect(await checkShare(good)).toMatchObject([
    { id: "share-certificate", severity: "ok", seen: expect.stringContaining("good for 29 d") },
  ]);
  expect(await checkShare(await evidenceOf(Date.now() + 3 * dayMs))).toMatchObject([
    { id: "share-certificate-ends", severity: "warning", fix: expect.stringContaining("Renew it") },
  ]);
  writeFileSync(good.key, "none");
  expect(await checkShare(good)).toMatchObject([
    {
      id: "share-certificate-unusable",
      severity: "problem",
      subject: good.certificate,
      seen: `${good.key} holds no private key in PEM form.`,
    },
  ]);
  // Settings that cannot be read are told by another check.
  writeFileSync(join(good.home.path, "broker.toml"), "no table");
  expect(await checkShare(good)).toEqual([]);
});

test("the broker's own authority is looked at: another key, or none of an authority", async () => {
  const path = temporaryDirectory();
  const tls = join(path, "tls");
  await openCertificates(tls, ["laptop"], Date.now());
  writeFileSync(join(path, "broker.toml"), '[share]\nlisten = "0.0.0.0:1"\naddress = "laptop:1"\n');
  const evidence = {
    config: { ownsBroker: true },
    home: { state: "usable", path },
    nowMs: Date.now(),
  } as Evidence;
  expect(await checkShare(evidence)).toEqual([]);
  const ca = join(tls, "ca.pem");
  copyFileSync(join(tls, "server.pem"), ca);
  const [finding, ...others] = await checkShare(evidence);
  expect(others).toEqual([]);
  expect(finding).toMatchObject({
    id: "share-authority-unusable",
    severity: "problem",
    subject: ca,
    seen: expect.stringContaining("no authority's"),
    fix: expect.stringContaining("from a backup"),
  });
});
