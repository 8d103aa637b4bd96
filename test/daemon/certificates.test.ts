import { X509Certificate } from "node:crypto";
import { execFileSync } from "node:child_process";
import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openCertificates } from "../../src/daemon/certificates.js";
import { renewBeforeMs } from "../../src/contract/limits.js";
import { certificateMs, maxCertificateNames } from "../../src/daemon/limits.js";

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
  const [own, ca] = certificatesIn(chain);
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

test("keep the names that machines joined by, whatever address is told next, and when renewed", async () => {
  const folder = newFolder();
  const found = ["localhost", "192.0.2.1", "2001:db8::1"];
  const first = await openCertificates(folder, ["laptop.home", ...found], nowMs);
  const next = await openCertificates(folder, ["laptop.vpn", ...found], nowMs);
  const all = ["laptop.vpn", "laptop.home", ...found];
  expect(namesIn(next.chain)).toEqual(all);
  expect(next.caHash).toBe(first.caHash);
  const renewed = await openCertificates(
    folder,
    ["laptop.vpn", ...found],
    next.endMs - renewBeforeMs + 1000,
  );
  expect(renewed.endMs).toBeGreaterThan(next.endMs);
  expect(namesIn(renewed.chain)).toEqual(all);
  // Nothing is missing when the first one is told again.
  const again = await openCertificates(
    folder,
    ["laptop.home", ...found],
    renewed.endMs - 80 * dayMs,
  );
  expect(again.chain).toBe(renewed.chain);
});

test("keep the names that were told longer than the addresses of many networks, within the bound", async () => {
  const folder = newFolder();
  await openCertificates(folder, ["laptop.home", "localhost"], nowMs);
  let chain = "";
  for (let network = 0; network < 4; network++) {
    const addresses = Array.from({ length: 25 }, (_, host) => `198.51.${network}.${host + 1}`);
    const asked = ["laptop.vpn", "localhost", ...addresses];
    ({ chain } = await openCertificates(folder, asked, nowMs));
    expect(namesIn(chain)).toEqual(expect.arrayContaining([...asked, "laptop.home"]));
    // It holds all that it can: nothing is made anew at the next look.
    expect((await openCertificates(folder, asked, nowMs)).chain).toBe(chain);
  }
  expect(namesIn(chain)).toHaveLength(maxCertificateNames);
});

test("made while the clock was years ahead, or behind, are good once it is right, by the same authority", async () => {
  for (const wrongMs of [nowMs + 2 * 365 * dayMs, Date.UTC(1980, 0, 1)]) {
    const folder = newFolder();
    const { caHash } = await openCertificates(folder, names, wrongMs);
    const right = await openCertificates(folder, names, nowMs);
    expect(right.caHash).toBe(caHash);
    for (const { validFrom, validTo } of certificatesIn(right.chain)) {
      // Another machine's clock may be a day behind.
      expect(Date.parse(validFrom)).toBeLessThan(nowMs - dayMs);
      expect(Date.parse(validTo)).toBeGreaterThan(nowMs + renewBeforeMs);
    }
  }
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

const dayMs = 24 * 60 * 60 * 1000;

function certificatesIn(chain: string): X509Certificate[] {
  const found = chain.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return found.map((pem) => new X509Certificate(pem));
}

/** The names of the first one; IPv6 addresses in their short form. */
function namesIn(chain: string): string[] {
  const [own] = certificatesIn(chain);
  return (own?.subjectAltName ?? "")
    .split(", ")
    .map((name) => name.replace(/^(?:DNS|IP Address):/, "").replace(/^2001:.*/, "2001:db8::1"));
}

const pemBlock = /-----BEGIN [\s\S]*?-----END .*-----/g;

/** What may stand in the place of the authority's file, besides the file; `whole` is a copy of the folder. */
const strangers: readonly (readonly [string, (path: string, whole: string) => void, string])[] = [
  ["a named pipe", (path) => void execFileSync("mkfifo", [path]), "is no regular file"],
  ["a folder", (path) => mkdirSync(path), "is no regular file"],
  ["a link to nothing", (path) => symlinkSync("/nonexistent/ca.pem", path), "is no regular file"],
  ["a link to itself", (path) => symlinkSync(path, path), "is no regular file"],
  [
    "a file as a certificate's",
    (path, whole) => cpSync(join(whole, "server.pem"), path),
    "no authority's",
  ],
  [
    "a certificate beside another's key",
    (path, whole) => {
      const [key = ""] = readFileSync(join(whole, "server.pem"), "utf8").match(pemBlock) ?? [];
      const [, ca = ""] = readFileSync(join(whole, "ca.pem"), "utf8").match(pemBlock) ?? [];
      writeFileSync(path, `${key}\n${ca}\n`);
    },
    "a private key that is not its certificate's",
  ],
];

test.each(strangers)(
  "no other authority is made for %s in the place of its file",
  async (_words, put, told) => {
    const folder = newFolder();
    await openCertificates(folder, names, nowMs);
    const whole = `${folder}-whole`;
    cpSync(folder, whole, { recursive: true });
    const path = join(folder, "ca.pem");
    rmSync(path);
    put(path, whole);
    const before = lstatSync(path);
    await expect(openCertificates(folder, names, nowMs)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(new RegExp(`${path} .*${told}.*let each machine join again`)),
    });
    expect(lstatSync(path).ino).toBe(before.ino);
    rmSync(path, { recursive: true });
    cpSync(join(whole, "ca.pem"), path);
    await openCertificates(folder, names, nowMs);
  },
);

test("the certificate that the authority signs is made anew where it is damaged, and named where it is no file", async () => {
  const folder = newFolder();
  const { caHash } = await openCertificates(folder, names, nowMs);
  const path = join(folder, "server.pem");
  writeFileSync(path, "none");
  expect(await openCertificates(folder, names, nowMs)).toMatchObject({ caHash });
  rmSync(path);
  mkdirSync(path);
  await expect(openCertificates(folder, names, nowMs)).rejects.toThrow(
    `${path} is no regular file. Move it away.`,
  );
});

test("nothing is made where the folder is a link to nothing, which is named", async () => {
  const folder = newFolder();
  symlinkSync("/nonexistent/tls", folder);
  await expect(openCertificates(folder, names, nowMs)).rejects.toMatchObject({
    code: "HOME_UNUSABLE",
    message: expect.stringContaining("cannot be written (E"),
  });
});

function fail(): never {
  throw new Error("it is not there");
}
