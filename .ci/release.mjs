// Makes a release: npm run release -- VERSION. It sets the version, gives the changelog's unreleased entries that
// version and today's date, and records the contract in proto/released.binpb. The three belong into one commit.
//
// 1. Look whether the release can be made. A refusal, or a step that fails, leaves everything as it was.
// 2. Set the version in package.json and package-lock.json.
// 3. Record the contract, and write the changelog.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const released = "proto/released.binpb";
process.chdir(join(import.meta.dirname, ".."));
const drafts = mkdtempSync(join(tmpdir(), "pl-release-"));
try {
  release(process.argv[2] ?? "");
} finally {
  rmSync(drafts, { recursive: true, force: true });
}

function release(version) {
  const changelog = readFileSync("CHANGELOG.md", "utf8");
  const last = /^## (\d+\.\d+\.\d+)\b/m.exec(changelog)?.[1] ?? "0.0.0";
  const unreleased = /^## Unreleased\n(.*?)(?=^## |(?![\s\S]))/ms.exec(changelog)?.[1] ?? "";
  const draft = join(drafts, "released.binpb");
  if (numbers(version) === undefined) {
    refuse(`"${version}" is no version: say it as npm run release -- 1.2.3.`);
  } else if (!isNewer(version, last)) {
    refuse(`${version} is not newer than ${last}, the last release.`);
  } else if (unreleased.trim() === "") {
    refuse('CHANGELOG.md has nothing under "## Unreleased": say there what changed.');
  } else if (buf("build", "proto", "-o", draft).status !== 0) {
    refuse("The contract cannot be built.");
  } else if (isContractChanged(draft) && !/^### Contract\n+[^#\s]/m.test(unreleased)) {
    refuse('The contract changed: say in CHANGELOG.md, under "### Contract", how.');
  } else if (isBroken() && !mayBreak(version, last)) {
    refuse(
      `The contract breaks that of ${last}: that needs ${firstToBreak(last)} or a later version.`,
    );
  } else {
    for (const file of ["package.json", "package-lock.json"]) setVersion(file, version);
    copyFileSync(draft, released);
    const date = new Date().toISOString().slice(0, 10);
    const heading = `## Unreleased\n\n## ${version} (${date})\n`;
    writeFileSync(
      "CHANGELOG.md",
      changelog.replace("## Unreleased\n", () => heading),
    );
    console.log(`Version ${version}: look at the changes, and commit them together.`);
  }
}

function refuse(why) {
  console.error(why);
  process.exitCode = 1;
}

/** The three numbers of a version; undefined for anything else. */
function numbers(text) {
  return /^(\d+)\.(\d+)\.(\d+)$/.exec(text)?.slice(1).map(Number);
}

function isNewer(version, than) {
  const [theirs, ours] = [numbers(than), numbers(version)];
  const differs = ours.findIndex((number, at) => number !== theirs[at]);
  return differs !== -1 && ours[differs] > theirs[differs];
}

/** Before 1.0.0 the second number tells of a break, later the first. */
function firstToBreak(last) {
  const [major, minor] = numbers(last);
  return major === 0 ? `0.${minor + 1}.0` : `${major + 1}.0.0`;
}

function mayBreak(version, last) {
  return !isNewer(firstToBreak(last), version);
}

/** Without its comments, which bind nobody. */
function isContractChanged(draft) {
  const [now, before] = [draft, released].map(
    (image) => buf("build", image, "--exclude-source-info", "-o", "-#format=json").stdout,
  );
  return now !== before;
}

function isBroken() {
  return buf("breaking", "proto", "--against", released).status !== 0;
}

/** Both files as npm writes them. The lock file says the version of its package, too. */
function setVersion(file, version) {
  const values = JSON.parse(readFileSync(file, "utf8"));
  values.version = version;
  if (values.packages !== undefined) values.packages[""].version = version;
  writeFileSync(file, `${JSON.stringify(values, undefined, 2)}\n`);
}

function buf(...args) {
  const result = spawnSync("node_modules/.bin/buf", args, { encoding: "utf8", maxBuffer: 2 ** 26 });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) process.stderr.write(result.stderr + result.stdout);
  return result;
}
