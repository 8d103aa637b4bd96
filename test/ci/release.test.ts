import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../support/program.js";

const root = join(import.meta.dirname, "../..");
const entry = "### Contract\n\n- Peers may wave.\n";
let copy: string;

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), "pl-"));
  for (const part of ["package.json", "package-lock.json", "CHANGELOG.md", "proto", ".ci"]) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
});
afterEach(() => rmSync(copy, { recursive: true, force: true }));

test("a changed contract has another version than the last release", async () => {
  expect(await isAhead(root)).not.toBe("without another version");
});

describe("npm run release", () => {
  test("makes version, changelog entry and recorded contract together", async () => {
    addEntry();
    appendFileSync(join(copy, "proto/peerline/v1/peer.proto"), "// Waves.\nmessage Wave {}\n");
    expect(await release("9.0.0")).toMatchObject({ code: 0 });
    expect(JSON.parse(text("package.json")).version).toBe("9.0.0");
    expect(JSON.parse(text("package-lock.json")).version).toBe("9.0.0");
    expect(text("CHANGELOG.md")).toMatch(
      /^## Unreleased\n\n## 9\.0\.0 \(\d{4}-\d\d-\d\d\)\n\n### Contract\n\n- Peers/m,
    );
    expect(readFileSync(join(copy, "proto/released.binpb"), "latin1")).toContain("Wave");
    expect(await isAhead(copy)).toBe("no");
  });

  test("is followed by another version before the contract changes again", async () => {
    addEntry();
    expect(await release("9.0.0")).toMatchObject({ code: 0 });
    appendFileSync(join(copy, "proto/peerline/v1/peer.proto"), "// Waves.\nmessage Wave {}\n");
    expect(await isAhead(copy)).toBe("without another version");
    writeFileSync(join(copy, "package.json"), text("package.json").replace("9.0.0", "9.1.0-next"));
    expect(await isAhead(copy)).toBe("with another version");
  });

  test("refuses what is no version, an old one, and a release without changes", async () => {
    addEntry();
    const before = facts();
    for (const version of ["", "next", "1.2", "v1.2.3", "0.0.0", lastRelease(copy)]) {
      expect(await release(version), version).toMatchObject({ code: 1 });
    }
    expect(facts()).toEqual(before);
    expect(await release("9.0.0")).toMatchObject({ code: 0 });
    const again = await release("9.0.1");
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("Unreleased") });
    expect(JSON.parse(text("package.json")).version).toBe("9.0.0");
  });

  test("wants a word on a contract that changed", async () => {
    writeUnreleased("### Hosts\n\n- Another one.\n");
    appendFileSync(join(copy, "proto/peerline/v1/peer.proto"), "// Waves.\nmessage Wave {}\n");
    const before = facts();
    const refused = await release("9.0.0");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("### Contract") });
    expect(facts()).toEqual(before);
  });

  test("calls a contract that breaks the last one by a version that says so", async () => {
    addEntry();
    expect(await release("9.0.0")).toMatchObject({ code: 0 });
    addEntry();
    const proto = "proto/peerline/v1/message.proto";
    writeFileSync(join(copy, proto), text(proto).replace("string text = 4;", "bytes text = 4;"));
    const before = facts();
    const refused = await release("9.1.0");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("10.0.0") });
    expect(facts()).toEqual(before);
    expect(await release("10.0.0")).toMatchObject({ code: 0 });
    expect(await isAhead(copy)).toBe("no");
  });

  test("leaves all as it was where the contract cannot be built", async () => {
    addEntry();
    appendFileSync(join(copy, "proto/peerline/v1/peer.proto"), "message {");
    const before = facts();
    expect(await release("9.0.0")).toMatchObject({ code: 1 });
    expect(facts()).toEqual(before);
  });
});

describe("the changelog", () => {
  test("has each release once, the newest first, and what is not released above all", () => {
    const headings = [...text("CHANGELOG.md").matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    expect(headings[0]).toBe("Unreleased");
    const versions = headings.slice(1).map((title = "") => {
      expect(title).toMatch(/^\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)$/);
      return title.split(" ")[0]?.split(".").map(Number) ?? [];
    });
    const byAge = versions.toSorted((a, b) => {
      const differs = a.findIndex((number, at) => number !== b[at]);
      return differs === -1 ? 0 : (b[differs] ?? 0) - (a[differs] ?? 0);
    });
    expect(versions).toEqual(byAge);
    expect(new Set(versions.map(String)).size).toBe(versions.length);
  });
});

/** What a release changes. */
function facts(): string[] {
  return ["package.json", "package-lock.json", "CHANGELOG.md"]
    .map(text)
    .concat(readFileSync(join(copy, "proto/released.binpb"), "latin1"));
}

/** The newest version that the changelog has released. */
function lastRelease(folder: string): string {
  const changelog = readFileSync(join(folder, "CHANGELOG.md"), "utf8");
  return /^## (\d+\.\d+\.\d+)\b/m.exec(changelog)?.[1] ?? "0.0.0";
}

/** Whether the contract differs from the last release's, and then whether the version does. */
async function isAhead(folder: string) {
  const [now, released] = await Promise.all(
    ["proto", "proto/released.binpb"].map((input) => image(folder, input)),
  );
  if (now === released) return "no";
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return version === lastRelease(folder) ? "without another version" : "with another version";
}

/** A contract without its comments. */
async function image(folder: string, input: string): Promise<string> {
  const { code, stdout, stderr } = await run(
    join(root, "node_modules/.bin/buf"),
    ["build", join(folder, input), "--exclude-source-info", "-o", "-#format=json"],
    process.env,
  );
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

function release(version: string) {
  const script = join(copy, ".ci/release.mjs");
  return run("sh", ["-c", `cd "${copy}" && node "${script}" "${version}"`], process.env);
}

function addEntry(): void {
  writeUnreleased(entry);
}

/** Gives the changelog these entries in the place of those that are not released. */
function writeUnreleased(entries: string): void {
  const changelog = text("CHANGELOG.md").replace(
    /^## Unreleased\n.*?(?=^## |(?![\s\S]))/ms,
    `## Unreleased\n\n${entries}\n`,
  );
  writeFileSync(join(copy, "CHANGELOG.md"), changelog);
}

function text(name: string): string {
  return readFileSync(join(copy, name), "utf8");
}
