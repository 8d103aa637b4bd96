import { X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openCertificates } from "../../src/daemon/certificates.js";
import { renewBeforeMs } from "../../src/contract/limits.js";
import { certificateMs } from "../../src/daemon/limits.js";

const nowMs = Date.UTC(2026, 0, 1);
const names = ["laptop.local", "192.0.2.1", "2001:db8::1"];

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "pl-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "tls");
}

test("are made once, for this user alone, and are the same at each start", async () => {
  const folder = newFolder();
  const made = await openCertificates(folder, names, nowMs);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(folder)) {
    expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600);
  }
  expect(await openCertificates(folder, names.slice(0, 1), nowMs + 1000)).toEqual(made);
});

test("lead from the broker's own to the authority, and name all that it is reached by", async () => {
  const { chain, caHash, endMs } = await openCertificates(newFolder(), names, nowMs);
  const [own, ca] = (chain.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem),
  );
  expect(own?.ca).toBe(false);
  expect(ca?.ca).toBe(true);
  expect(own?.verify(ca?.publicKey ?? fail())).toBe(true);
  expect(ca?.fingerprint256.replaceAll(":", "").toLowerCase()).toBe(caHash);
  expect(own?.checkHost("laptop.local")).toBe("laptop.local");
  expect(own?.checkHost("other.local")).toBeUndefined();
  for (const address of names.slice(1)) expect(own?.checkIP(address)).toBe(address);
  expect(endMs).toBe(nowMs + certificateMs);
});

test("are renewed before they end, and where a name is missing, by the same authority", async () => {
  const folder = newFolder();
  const first = await openCertificates(folder, names, nowMs);
  const dueMs = first.endMs - renewBeforeMs;
  expect(await openCertificates(folder, names, dueMs - 1000)).toEqual(first);
  const renewed = await openCertificates(folder, names, dueMs + 1000);
  expect(renewed.endMs).toBeGreaterThan(first.endMs);
  const renamed = await openCertificates(folder, [...names, "other.local"], dueMs + 2000);
  expect(renamed.chain).not.toBe(renewed.chain);
  expect([renewed.caHash, renamed.caHash]).toEqual([first.caHash, first.caHash]);
});

test("that are damaged are named, and not made anew: other machines know them", async () => {
  const folder = newFolder();
  await openCertificates(folder, names, nowMs);
  const path = join(folder, "ca.pem");
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.slice(0, 200));
  await expect(openCertificates(folder, names, nowMs)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining(`${path} is damaged`),
  });
  expect(readFileSync(path, "utf8")).toBe(text.slice(0, 200));
});

function fail(): never {
  throw new Error("it is not there");
}
