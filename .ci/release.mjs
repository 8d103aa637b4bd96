// Makes a release: npm run release -- VERSION. Sets the version, gives the changelog's unreleased entries that version
// and today's date, and records the contract in proto/released.binpb. The three belong into one commit.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const [version = ""] = process.argv.slice(2);
const { version: current } = JSON.parse(readFileSync("package.json", "utf8"));
const changelog = readFileSync("CHANGELOG.md", "utf8");
const unreleased = /^## Unreleased\n(.*?)(?=^## |(?![\s\S]))/ms.exec(changelog);

/** The three numbers of a version; undefined for anything else. */
function numbers(text) {
  return /^(\d+)\.(\d+)\.(\d+)$/.exec(text)?.slice(1).map(Number);
}

function isNewer(numbers, than) {
  const differs = numbers.findIndex((number, at) => number !== than[at]);
  return differs !== -1 && numbers[differs] > than[differs];
}

const last = /^## (\d+\.\d+\.\d+)\b/m.exec(changelog)?.[1] ?? "0.0.0";
const refusal =
  numbers(version) === undefined
    ? `"${version}" is no version: say it as npm run release -- 1.2.3.`
    : !isNewer(numbers(version), numbers(last))
      ? `${version} is not newer than ${last}, the last release.`
      : unreleased === null || unreleased[1].trim() === ""
        ? 'CHANGELOG.md has nothing under "## Unreleased": say there what changed.'
        : undefined;
if (refusal !== undefined) {
  console.error(refusal);
  process.exit(1);
}

if (version !== current) {
  execFileSync("npm", ["version", version, "--no-git-tag-version", "--ignore-scripts"]);
}
execFileSync("npx", ["buf", "build", "proto", "-o", "proto/released.binpb"]);
const date = new Date().toISOString().slice(0, 10);
const heading = `## Unreleased\n\n## ${version} (${date})\n`;
writeFileSync(
  "CHANGELOG.md",
  changelog.replace("## Unreleased\n", () => heading),
);
console.log(`Version ${version}: look at the changes, and commit them together.`);
