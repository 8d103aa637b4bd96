import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readBrokerSettings, readShareSettings } from "../../src/endpoint/broker-settings.js";
import { setShareSettings } from "../../src/endpoint/share-settings.js";
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

test.each(["", "# mine", "# mine\n", "\n", "[limits]\npeers = 500\n\n", "[limits]\r\npeers = 500"])(
  "the table is set, changed and removed, and every other byte stays: %j",
  async (text) => {
    const path = join(temporaryDirectory(), "broker.toml");
    if (text !== "") writeFileSync(path, text);
    await setShareSettings(path, settings);
    expect(await readShareSettings(path)).toEqual(settings);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await setShareSettings(path, other);
    expect(await readShareSettings(path)).toEqual(other);
    expect((await readBrokerSettings(path)).peers).toBe(text.includes("500") ? 500 : 10_000);
    const undo = await setShareSettings(path, undefined);
    expect(await readShareSettings(path)).toBeUndefined();
    expect(existsSync(path) ? readFileSync(path, "utf8") : "").toBe(text);
    await undo();
    expect(await readShareSettings(path)).toEqual(other);
  },
);

test("what was added below the table stays", async () => {
  const path = join(temporaryDirectory(), "broker.toml");
  await setShareSettings(path, settings);
  writeFileSync(path, `${readFileSync(path, "utf8")}[limits]\npeers = 500\n`);
  await setShareSettings(path, other);
  expect((await readBrokerSettings(path)).peers).toBe(500);
  await setShareSettings(path, undefined);
  expect(readFileSync(path, "utf8")).toBe("[limits]\npeers = 500\n");
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
