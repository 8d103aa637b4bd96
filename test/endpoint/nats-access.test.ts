import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EndpointError } from "../../src/endpoint/endpoint-error.js";
import { readNatsAccess } from "../../src/endpoint/nats-access.js";
import type { NatsLoginSettings, NatsSettings } from "../../src/endpoint/store-settings.js";
import { temporaryDirectory } from "./temporary-directory.js";

const plain: NatsSettings = {
  servers: [
    { host: "nats", port: 4222 },
    { host: "::1", port: 5222 },
  ],
  requireTls: false,
  prefix: "peerline",
  replicas: 1,
  login: undefined,
  tls: {},
  syncAlways: false,
};

function secretFile(text: string, mode = 0o600): string {
  const file = join(temporaryDirectory(), "secret");
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const seed = `SU${"A".repeat(56)}`;
const credentials = `-----BEGIN NATS USER JWT-----
aa-_.bb.cc
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`;

test("servers that need no proof are reached by their addresses", async () => {
  const access = await readNatsAccess(plain, Date.now());
  expect(access).toMatchObject({ servers: ["nats:4222", "[::1]:5222"], tls: {} });
  expect(access.login()).toBeUndefined();
});

test.each<[NatsLoginSettings["kind"], string, object]>([
  ["credentials", credentials, { kind: "credentials", jwt: "aa-_.bb.cc", seed }],
  [
    "credentials",
    credentials.replaceAll("\n", "\r\n"),
    { kind: "credentials", jwt: "aa-_.bb.cc", seed },
  ],
  ["nkey", `# the team's\n${seed}\n`, { kind: "nkey", seed }],
  ["password", "pass word \n", { kind: "password", user: "team", password: "pass word " }],
  ["token", "t0ken\r\n", { kind: "token", token: "t0ken" }],
])(
  "%s is read from its file, again at each connection, and logged by nobody",
  async (kind, text, login) => {
    const file = secretFile(text);
    const settings = { ...plain, login: { kind, file, user: "team" } as NatsLoginSettings };
    const access = await readNatsAccess(settings, Date.now());
    expect(access.login()).toEqual(login);
    expect(JSON.stringify(access)).not.toContain(text.trim());
    rmSync(file);
    expect(() => access.login()).toThrow(`${file} is not there, or is no file.`);
    writeFileSync(file, text, { mode: 0o600 });
    expect(access.login()).toEqual(login);
  },
);

test.each<[NatsLoginSettings["kind"], string, string]>([
  ["credentials", seed, "holds no credentials of a user: write it with `nsc generate creds`"],
  ["credentials", credentials.replace(seed, "SU"), "holds no credentials of a user"],
  ["nkey", "UA", "holds no seed of a user's NKey"],
  ["password", "", "does not hold exactly one line"],
  ["password", "a\nb\n", "does not hold exactly one line"],
  ["token", "\n", "does not hold exactly one line"],
  ["token", "x".repeat(16 * 1024 + 1), "has more than 16384 bytes"],
])("%s of %j is refused, and not shown", async (kind, text, words) => {
  const file = secretFile(text);
  await expect(read(kind, file)).resolves.toContain(`${file} ${words}`);
});

test.each([0o604, 0o602, 0o666])("a secret with mode %o is refused", async (mode) => {
  const file = secretFile("secret", mode);
  await expect(read("token", file)).resolves.toBe(
    `${file} may be read or written by everybody on this machine: run chmod o= '${file}'.`,
  );
  chmodSync(file, 0o640);
  await expect(read("token", file)).resolves.toBe("read");
});

test("what is no file is refused, and nobody waits for it", async () => {
  const folder = join(temporaryDirectory(), "folder");
  mkdirSync(folder);
  await expect(read("token", folder)).resolves.toContain("is not there, or is no file.");
});

test("a certificate that cannot be used is refused by its file", async () => {
  const file = secretFile("no certificate");
  for (const tls of [{ ca: file }, { certificate: file, key: file }]) {
    await expect(readNatsAccess({ ...plain, tls }, Date.now())).rejects.toThrow(
      `${file} holds no certificate in PEM form`,
    );
  }
});

/** "read", or why it was not. */
async function read(kind: NatsLoginSettings["kind"], file: string): Promise<string> {
  const login = { kind, file, user: "team" } as NatsLoginSettings;
  try {
    await readNatsAccess({ ...plain, login }, Date.now());
    return "read";
  } catch (error) {
    expect(error).toBeInstanceOf(EndpointError);
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    return (error as EndpointError).message;
  }
}
