import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EndpointError } from "../../src/endpoint/endpoint-error.js";
import { readBrokerSettings } from "../../src/endpoint/broker-settings.js";
import { readStoreSettings, storeRows } from "../../src/endpoint/store-settings.js";
import { temporaryDirectory } from "./temporary-directory.js";

function settingsFile(text: string): string {
  const file = join(temporaryDirectory(), "broker.toml");
  writeFileSync(file, text);
  return file;
}

const nats = 'store = "nats://nats:4222"\n[nats]\n';

test.each(["", 'store = "sqlite"', "[limits]\npeers = 50"])(
  "the store is SQLite: %j",
  async (text) => {
    expect(await readStoreSettings(settingsFile(text))).toEqual({ technology: "sqlite" });
    expect(await readStoreSettings(join(temporaryDirectory(), "none"))).toEqual({
      technology: "sqlite",
    });
  },
);

test("one server is reached without more words, and keeps one copy", async () => {
  expect(await readStoreSettings(settingsFile('store = "nats://localhost"'))).toEqual({
    technology: "nats",
    servers: [{ host: "localhost", port: 4222 }],
    requireTls: false,
    prefix: "peerline",
    replicas: 1,
    login: undefined,
    tls: {},
    syncAlways: false,
  });
});

test("of several servers each stream is on three, and one that is named twice is one", async () => {
  const text = 'store = "nats://a:4222, NATS://b:5222/,nats://a,tls://[::1]:4222"';
  expect(await readStoreSettings(settingsFile(text))).toMatchObject({
    servers: [
      { host: "a", port: 4222 },
      { host: "b", port: 5222 },
      { host: "::1", port: 4222 },
    ],
    replicas: 3,
    requireTls: true,
  });
});

test("everything that can be said of NATS is read, and written as it was", async () => {
  const text = `${nats}prefix = "team-a"
replicas = 5
user = "o'brien"
password_file = "/etc/nats/password"
tls_ca = "/etc/nats/ca.pem"
tls_cert = "/etc/nats/me.pem"
tls_key = "/etc/nats/me.key"
sync_interval = "always"
`;
  const read = await readStoreSettings(settingsFile(text));
  expect(read).toEqual({
    technology: "nats",
    servers: [{ host: "nats", port: 4222 }],
    requireTls: true,
    prefix: "team-a",
    replicas: 5,
    login: { kind: "password", user: "o'brien", file: "/etc/nats/password" },
    tls: { ca: "/etc/nats/ca.pem", certificate: "/etc/nats/me.pem", key: "/etc/nats/me.key" },
    syncAlways: true,
  });
  const rows = storeRows(read);
  const lines = rows.nats.map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
  const written = `store = "${rows.store}"\n[nats]\n${lines.join("")}`;
  expect(await readStoreSettings(settingsFile(written))).toEqual(read);
});

test("what is said of NATS may stand beside SQLite, and counts where another store is asked about", async () => {
  const file = settingsFile('store = "sqlite"\n[nats]\nprefix = "team-a"\n');
  expect(await readStoreSettings(file)).toEqual({ technology: "sqlite" });
  expect(await readStoreSettings(file, "nats://a")).toMatchObject({
    technology: "nats",
    servers: [{ host: "a", port: 4222 }],
    prefix: "team-a",
  });
  const wrong = settingsFile('store = "sqlite"\n[nats]\nprefix = 5\n');
  await expect(readStoreSettings(wrong)).rejects.toThrow("nats.prefix is 5");
});

test.each([
  ['credentials = "/a"', { kind: "credentials", file: "/a" }],
  ['nkey_file = "/a"', { kind: "nkey", file: "/a" }],
  ['token_file = "/a"', { kind: "token", file: "/a" }],
])("%s says who the broker is", async (line, login) => {
  expect(await readStoreSettings(settingsFile(nats + line))).toMatchObject({ login });
});

test.each([
  ['store = "postgres://db"', 'store is "postgres://db": use "sqlite", "nats://HOST:4222"'],
  ['store = "wss://nats"', 'store is "wss://nats": use "sqlite"'],
  ['store = ""', 'store is "": use "sqlite"'],
  ['store = "nats://"', 'store is "nats://": use'],
  ['store = "nats://a:4222,"', 'store is "": use'],
  ['store = "nats://a:99999"', 'store is "nats://a:99999": use'],
  ['store = "nats://a:4222/js"', 'store is "nats://a:4222/js": use'],
  ['store = "nats://a b"', 'store is "nats://a b": use'],
  ['store = ["nats://a"]', "store is a list: use"],
  [`store = "${Array(17).fill("nats://a").join(",")}"`, "names 17 servers: use at most 16"],
  ['[nats]\nprefix = "a"', 'nats needs store = "nats://HOST:4222" above the first table'],
  ['store = "nats://a"\nnats = 5', "nats is no table: write [nats]"],
  ['[nats]\nstore = "nats://a"', 'nats needs store = "nats://HOST:4222" above the first table'],
  [`${nats}store = "nats://a"`, "nats.store is no setting: write it above the first table"],
  [`${nats}replica = 3`, "nats.replica is no setting: use one of prefix, replicas, credentials"],
  [`${nats}password = "hunter2"`, "nats.password is no setting: use one of"],
  [`${nats}prefix = "a.b"`, 'nats.prefix is "a.b": use at most 32 letters'],
  [`${nats}prefix = ""`, 'nats.prefix is "": use'],
  [`${nats}prefix = ">"`, 'nats.prefix is ">": use'],
  [`${nats}prefix = 5`, "nats.prefix is 5: use"],
  [`${nats}replicas = 2`, "nats.replicas is 2: use 1, or 3 or 5 in a cluster"],
  [`${nats}replicas = "3"`, 'nats.replicas is "3": use 1'],
  [`${nats}credentials = "team.creds"`, 'nats.credentials is "team.creds": use the absolute path'],
  [
    `${nats}credentials = "/a"\ntoken_file = "/b"`,
    "nats.token_file cannot stand beside credentials",
  ],
  [`${nats}user = "a"`, "nats.user needs password_file beside it"],
  [`${nats}user = "a"\ntoken_file = "/b"`, "nats.user cannot stand beside token_file"],
  [`${nats}password_file = "/a"`, "nats.password_file needs user beside it"],
  [`${nats}user = ""\npassword_file = "/a"`, 'nats.user is "": use the name of a user'],
  [`${nats}tls_cert = "/a"`, "nats.tls_cert needs tls_key beside it"],
  [`${nats}tls_key = "/a"`, "nats.tls_key needs tls_cert beside it"],
  [`${nats}tls_ca = "ca.pem"`, 'nats.tls_ca is "ca.pem": use the absolute path'],
  [`${nats}sync_interval = "2m"`, 'nats.sync_interval is "2m": write "always" where'],
])("%j is refused by its place", async (text, words) => {
  const file = settingsFile(text);
  for (const read of [readStoreSettings, readBrokerSettings]) {
    const error = await read(file).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(EndpointError);
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect((error as EndpointError).message).toContain(`${file}: `);
    expect((error as EndpointError).message).toContain(words);
  }
});

test("a secret in a URL is refused with the fix, and not shown", async () => {
  for (const url of ["nats://team:hunter2@nats:4222", "nats://a,tls://hunter2@b", "hunter2@nats"]) {
    const error = (await readStoreSettings(settingsFile(`store = "${url}"`)).catch(
      (cause: unknown) => cause,
    )) as EndpointError;
    expect(error.message).toContain("store has a user, password or token in its URL: write only");
    expect(error.message).toContain("say who the broker is in [nats]: credentials, nkey_file");
    expect(error.message).not.toContain("hunter2");
  }
});
