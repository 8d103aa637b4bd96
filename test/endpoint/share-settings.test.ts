import {
  existsSync,
  lstatSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readBrokerSettings, readShareSettings } from "../../src/endpoint/broker-settings.js";
import { setShareSettings } from "../../src/endpoint/share-settings.js";
import { noFiles } from "../support/obstacles.js";
import { temporaryDirectory } from "./temporary-directory.js";

const settings = {
  listen: { host: "0.0.0.0", port: 7899 },
  address: { host: "laptop.local", port: 7899 },
};
const other = {
  ...settings,
  address: { host: "2001:db8::1", port: 443 },
  given: { certificate: '/etc/my "pki"/laptop.pem', key: "/etc/back\\slash.key" },
  clientCa: "/etc/pki/ca.pem",
};

const limits = "[limits]\npeers = 500";

test.each([
  undefined,
  "",
  "\n",
  "# mine",
  "# mine\n",
  `${limits}\n\n`,
  limits.replaceAll("\n", "\r\n"),
  `${limits}\n`.replaceAll("\n", "\r\n"),
  "\u00EF\u00BB\u00BF",
  `\u00EF\u00BB\u00BF# a byte order mark\r\n${limits}`,
  `# caf\u00E9 in Latin-1, \u00C3\u00A9 in UTF-8\n${limits} # \u00FF`,
])("the table is set, changed and removed, and every other byte stays: %j", async (text) => {
  const path = join(temporaryDirectory(), "broker.toml");
  if (text !== undefined) writeFileSync(path, text, { encoding: "latin1", mode: 0o640 });
  await setShareSettings(path, settings);
  expect(await readShareSettings(path)).toEqual(settings);
  expect(statSync(path).mode & 0o777).toBe(text === undefined ? 0o600 : 0o640);
  await setShareSettings(path, other);
  expect(await readShareSettings(path)).toEqual(other);
  expect((await readBrokerSettings(path)).peers).toBe(text?.includes("500") ? 500 : 10_000);
  const undo = await setShareSettings(path, undefined);
  expect(await readShareSettings(path)).toBeUndefined();
  expect(existsSync(path) ? readFileSync(path, "latin1") : undefined).toBe(text);
  if (text !== undefined) expect(statSync(path).mode & 0o777).toBe(0o640);
  await undo();
  expect(await readShareSettings(path)).toEqual(other);
});

test("what was added below the table stays", async () => {
  const path = join(temporaryDirectory(), "broker.toml");
  await setShareSettings(path, settings);
  writeFileSync(path, `${readFileSync(path, "utf8")}[limits]\npeers = 500\n`);
  await setShareSettings(path, other);
  expect((await readBrokerSettings(path)).peers).toBe(500);
  await setShareSettings(path, undefined);
  expect(readFileSync(path, "utf8")).toBe("[limits]\npeers = 500\n");
});

test("an editor that ends all lines alike may come between", async () => {
  const path = join(temporaryDirectory(), "broker.toml");
  const text = `${limits}\n`.replaceAll("\n", "\r\n");
  writeFileSync(path, text);
  await setShareSettings(path, settings);
  const edited = readFileSync(path, "utf8").replaceAll(/\r?\n/g, "\r\n");
  writeFileSync(path, edited);
  await setShareSettings(path, undefined);
  expect(readFileSync(path, "utf8")).toBe(text);
});

test("a link stays a link, and what it leads to is changed", async () => {
  const folder = temporaryDirectory();
  const [path, real] = [join(folder, "broker.toml"), join(folder, "dotfiles.toml")];
  writeFileSync(real, limits);
  symlinkSync(real, path);
  await setShareSettings(path, settings);
  expect(readFileSync(real, "utf8")).toContain("[share]");
  await setShareSettings(path, undefined);
  expect(lstatSync(path).isSymbolicLink()).toBe(true);
  expect(readFileSync(real, "utf8")).toBe(limits);
});

test("the file that was made may be moved, with a link in its place: the link leads somewhere afterwards", async () => {
  const folder = temporaryDirectory();
  const [path, real] = [join(folder, "broker.toml"), join(folder, "dotfiles.toml")];
  await setShareSettings(path, settings);
  renameSync(path, real);
  symlinkSync(real, path);
  await setShareSettings(path, undefined);
  expect(lstatSync(path).isSymbolicLink()).toBe(true);
  expect(readFileSync(real, "utf8")).toBe("");
});

test.each(noFiles)("%s stays what it is, and is named", async (_words, put) => {
  const path = join(temporaryDirectory(), "broker.toml");
  put(path);
  const before = lstatSync(path).ino;
  for (const change of [settings, undefined]) {
    await expect(setShareSettings(path, change)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: `${path} is no regular file. Move it away.`,
    });
  }
  expect(lstatSync(path).ino).toBe(before);
});

test.each([
  '["share"]\nlisten="0.0.0.0:1"\naddress="a:1"\n',
  'share = { listen = "0.0.0.0:1", address = "a:1" }\n',
  'share.listen = "0.0.0.0:1"\nshare.address = "a:1"\n',
  "[limits\n",
  `# ${"long ".repeat(20_000)}`,
])("a file in which the table cannot be set stays as it is: %.20j", async (text) => {
  const path = join(temporaryDirectory(), "broker.toml");
  writeFileSync(path, text);
  await expect(setShareSettings(path, settings)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  await expect(setShareSettings(path, undefined)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  expect(readFileSync(path, "utf8")).toBe(text);
});

test("a table that was written by hand is left to whoever wrote it", async () => {
  const path = join(temporaryDirectory(), "broker.toml");
  const text = '[ share ] # mine\nlisten="0.0.0.0:1"\naddress="a:1"\n';
  writeFileSync(path, text);
  await expect(setShareSettings(path, settings)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining("was written by hand"),
  });
  expect(readFileSync(path, "utf8")).toBe(text);
});

test.each([
  ['tls_cert = "/a.pem"', "share.tls_cert needs tls_key beside it"],
  ['tls_key = "/a.key"', "share.tls_key needs tls_cert beside it"],
  ['tls_cert = "a.pem"\ntls_key = "/a.key"', 'share.tls_cert is "a.pem": use the absolute path'],
  ["client_ca = 1", "share.client_ca is 1: use the absolute path"],
  ['tls_ca = "/a.pem"', "use one of listen, address, tls_cert, tls_key, client_ca"],
])("what cannot be used of a certificate is named: %s", async (line, words) => {
  const path = join(temporaryDirectory(), "broker.toml");
  writeFileSync(path, `[share]\nlisten = "0.0.0.0:1"\naddress = "a:1"\n${line}\n`);
  await expect(readShareSettings(path)).rejects.toThrow(words);
});
