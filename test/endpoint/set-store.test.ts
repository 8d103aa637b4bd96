import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readStoreSettings } from "../../src/endpoint/store-settings.js";
import { setStoreSetting } from "../../src/endpoint/set-store.js";
import { temporaryDirectory } from "./temporary-directory.js";

const url = "nats://a:4222,nats://b:4222";
const line = `store = "${url}"`;

test.each([
  [undefined, `${line}\n`],
  ["", `${line}\n`],
  ["# mine\n[limits]\npeers = 500\n", `${line}\n# mine\n[limits]\npeers = 500\n`],
  ["\u00EF\u00BB\u00BF# a mark\r\n", `\u00EF\u00BB\u00BF${line}\n# a mark\r\n`],
  ['store = "sqlite"\n', `${line}\n`],
  ["store = 'sqlite'", line],
  [
    '# caf\u00E9\r\n\r\n  store="sqlite" # for now\r\n[limits]\r\n',
    `# caf\u00E9\r\n\r\n  ${line} # for now\r\n[limits]\r\n`,
  ],
  ['store = "sqlite"\n[nats]\nprefix = "x"\n', `${line}\n[nats]\nprefix = "x"\n`],
])("the line is set, and every other byte stays: %j", async (text, expected) => {
  const path = join(temporaryDirectory(), "broker.toml");
  if (text !== undefined) writeFileSync(path, text, { encoding: "latin1", mode: 0o640 });
  await setStoreSetting(path, url);
  expect(readFileSync(path, "latin1")).toBe(expected);
  expect(statSync(path).mode & 0o777).toBe(text === undefined ? 0o600 : 0o640);
  expect(await readStoreSettings(path)).toMatchObject({ technology: "nats" });
  await setStoreSetting(path, "sqlite");
  expect(readFileSync(path, "latin1")).toBe(expected.replace(line, 'store = "sqlite"'));
});

test.each(['"store" = "sqlite"', 'store = """\nsqlite"""', "store = "])(
  "what is written otherwise is left: %j",
  async (text) => {
    const path = join(temporaryDirectory(), "broker.toml");
    writeFileSync(path, text);
    const set = setStoreSetting(path, url);
    await expect(set).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(set).rejects.toThrow(`write ${line} there yourself`);
    expect(readFileSync(path, "utf8")).toBe(text);
  },
);

test("a line of the same name in a table is another one", async () => {
  const path = join(temporaryDirectory(), "broker.toml");
  const text = '[other]\nstore = "sqlite"\n';
  writeFileSync(path, text);
  await setStoreSetting(path, url);
  expect(existsSync(path) ? readFileSync(path, "utf8") : "").toBe(`${line}\n${text}`);
});
