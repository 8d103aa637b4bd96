import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  readGivenAuthorities,
  readGivenCertificate,
  readGivenServerCertificate,
} from "../../src/endpoint/given-certificate.js";
import {
  issueTestCertificate,
  newTestAuthority,
  type TestAuthority,
} from "../support/test-authority.js";
import { temporaryDirectory } from "./temporary-directory.js";

const hourMs = 3_600_000;
let root: TestAuthority;
let middle: TestAuthority;
let own: { key: string; certificate: string };
let folder: string;

beforeAll(async () => {
  root = await newTestAuthority("root");
  middle = await newTestAuthority("middle", root);
  own = await issueTestCertificate(middle, {
    usage: "server",
    names: ["laptop.test", "192.0.2.7"],
  });
});
beforeEach(() => {
  folder = temporaryDirectory();
});

/** Puts it into files, with the whole chain unless it says otherwise. */
function keep(
  parts: { key?: string; certificate?: string } = {},
  chain: readonly string[] = [middle.pem, root.pem],
) {
  const paths = { certificate: join(folder, "own.pem"), key: join(folder, "own.key") };
  writeFileSync(paths.certificate, [parts.certificate ?? own.certificate, ...chain].join("\n"));
  writeFileSync(paths.key, parts.key ?? own.key);
  return paths;
}

test("a chain up to its root is good, and is known by the root's hash", async () => {
  const given = await readGivenServerCertificate(keep(), "laptop.test", Date.now());
  expect(given.certificates.map(({ subject }) => subject)).toEqual([
    "CN=a server",
    "CN=middle",
    "CN=root",
  ]);
  const hash = createHash("sha256").update(new X509Certificate(root.pem).raw).digest("hex");
  expect(given.caHash).toBe(hash);
  expect(given.chain.match(/BEGIN CERTIFICATE/g)).toHaveLength(3);
  expect(given.endMs).toBeGreaterThan(Date.now());
  await readGivenServerCertificate(keep(), "192.0.2.7", Date.now());
  // A key and its certificate may share a file, with words around them.
  const one = join(folder, "one.pem");
  writeFileSync(one, `mine:\n${own.key}\n${own.certificate}\n${middle.pem}${root.pem}`);
  await readGivenServerCertificate({ certificate: one, key: one }, "laptop.test", Date.now());
});

describe("is refused by its own clear error, with the path in front:", () => {
  const now = Date.now();
  test.each<[string, () => Promise<{ certificate: string; key: string }>, string, RegExp]>([
    [
      "a missing certificate",
      async () => ({ ...keep(), certificate: join(folder, "no.pem") }),
      "no.pem",
      /is not there/,
    ],
    [
      "a missing key",
      async () => ({ ...keep(), key: join(folder, "no.key") }),
      "no.key",
      /is not there/,
    ],
    ["a folder", async () => ({ ...keep(), key: folder }), "", /is not there, or is no file/],
    [
      "no PEM",
      async () => keep({ certificate: "\u0000DER" }, []),
      "own.pem",
      /no certificate in PEM form.*openssl/,
    ],
    [
      "a certificate in place of the key",
      async () => keep({ key: own.certificate }),
      "own.key",
      /no private key in PEM form/,
    ],
    [
      "a damaged certificate",
      async () => keep({ certificate: own.certificate.replace(/\n.{20}/, "\nAAAA") }),
      "own.pem",
      /damaged/,
    ],
    [
      "a damaged key",
      async () => keep({ key: own.key.replace(/\n.{20}/, "\nAAAA") }),
      "own.key",
      /damaged/,
    ],
    [
      "an encrypted key",
      async () =>
        keep({
          key: createPrivateKey(own.key)
            .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
            .toString(),
        }),
      "own.key",
      /is encrypted, and nobody is there to type its passphrase/,
    ],
    [
      "the key of another",
      async () => keep({ key: (await issueTestCertificate(root, { usage: "server" })).key }),
      "own.key",
      /is the key of another certificate/,
    ],
    [
      "an expired certificate",
      async () =>
        keep(
          await issueTestCertificate(middle, {
            usage: "server",
            fromMs: now - 2 * hourMs,
            endMs: now - hourMs,
          }),
        ),
      "own.pem",
      /has expired \(CN=a server, on/,
    ],
    [
      "one that is not valid yet",
      async () =>
        keep(await issueTestCertificate(middle, { usage: "server", fromMs: now + hourMs })),
      "own.pem",
      /is not valid before/,
    ],
    [
      "a chain in a wrong order",
      async () => keep({}, [root.pem, middle.pem]),
      "own.pem",
      /is no chain: certificate 2 did not issue/,
    ],
    [
      "a chain without its root",
      async () => keep({}, [middle.pem]),
      "own.pem",
      /does not lead to its root: append/,
    ],
    [
      "a certificate for other names",
      async () =>
        keep(await issueTestCertificate(middle, { usage: "server", names: ["desktop.test"] })),
      "own.pem",
      /is not for laptop.test \(it is for DNS:desktop.test\): use --address/,
    ],
    [
      "a file without end",
      async () => keep({ key: "x".repeat(300_000) }),
      "own.key",
      /has more than 262144 bytes/,
    ],
  ])("%s", async (_, make, file, words) => {
    const paths = await make();
    const error: unknown = await readGivenServerCertificate(paths, "laptop.test", now).catch(
      (cause: unknown) => cause,
    );
    expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(words) });
    const { message } = error as Error;
    expect(message.startsWith(join(folder, file))).toBe(true);
    // Nothing of a key is told, nor kept for a log.
    for (const line of own.key.split("\n").filter((text) => /^[\w+/=]{20}/.test(text))) {
      expect(`${message} ${String((error as Error).cause)}`).not.toContain(line);
    }
  });

  test.skipIf(process.getuid?.() === 0)("a file that may not be read", async () => {
    const paths = keep();
    chmodSync(paths.key, 0);
    await expect(readGivenCertificate(paths, now)).rejects.toThrow(/cannot be read \(EACCES\)/);
  });

  test("authorities that are none", async () => {
    const path = join(folder, "ca.pem");
    writeFileSync(path, root.pem + middle.pem);
    expect(await readGivenAuthorities(path, now)).toContain("BEGIN CERTIFICATE");
    writeFileSync(path, root.pem + own.certificate);
    await expect(readGivenAuthorities(path, now)).rejects.toThrow(
      /is of no authority \(CN=a server\)/,
    );
    await expect(readGivenAuthorities(path, now + 48 * hourMs)).rejects.toThrow(
      /has expired \(CN=root/,
    );
  });
});

test("a client's certificate needs no root beside it", async () => {
  const client = await issueTestCertificate(middle, { usage: "client" });
  const { key, chain } = await readGivenCertificate(keep(client, []), Date.now());
  expect([key, chain]).toEqual([
    expect.stringContaining("PRIVATE KEY"),
    expect.stringContaining("CERT"),
  ]);
});
