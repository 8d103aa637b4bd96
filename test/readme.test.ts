import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startTestBroker } from "./support/test-broker.js";

const root = join(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");

describe("the README", () => {
  test("names only tests and files that exist", () => {
    const paths = [...readme.matchAll(/`((?:test|src|proto)\/[\w./-]+)`/g)].map(
      (match) => match[1] ?? "",
    );
    expect(paths.length).toBeGreaterThan(10);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test("states every limit as the broker does", async () => {
    await using broker = await startTestBroker();
    const { limits } = await broker.client().getServerInfo({});
    const rows = [...readme.matchAll(/^\| `([a-z_]+)` +\| ([\d,]+) +\|/gm)].map(
      ([, name, maximum]) => [name, Number(maximum?.replaceAll(",", ""))],
    );
    expect(rows).toEqual(limits.map(({ name, maximum }) => [name, Number(maximum)]));
  });
});
