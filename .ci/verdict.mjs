// What a run of the tests shows: node verdict.mjs REPORT MUST_PASS, both of them JSON. Ends with 1 where fewer
// tests passed than must: a run in which nearly everything was skipped shows nothing. The last line counts.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [report, mustPass] = process.argv
  .slice(2)
  .map((path) => JSON.parse(readFileSync(path, "utf8")));
const root = join(import.meta.dirname, "..");
const hosts = process.env.PEERLINE_HOSTS ?? "";

/** The tests that passed in the files of this path, or of these beginnings of paths. */
function passedIn(...prefixes) {
  return report.testResults
    .filter(({ name }) => prefixes.some((prefix) => name.startsWith(join(root, prefix))))
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === "passed").length;
}

const shortfalls = [];
if (report.numPassedTests < mustPass.all) {
  shortfalls.push(`${report.numPassedTests} tests passed, and ${mustPass.all} must.`);
}
const withHosts = passedIn(...mustPass.realHosts.files);
if (withHosts < mustPass.realHosts.count) {
  const where = hosts === "" ? ", which could not be installed," : ` in ${hosts}`;
  shortfalls.push(
    `${withHosts} tests with the real hosts${where} passed, and ${mustPass.realHosts.count} must.`,
  );
}
for (const shortfall of shortfalls) console.log(`Too little was tested: ${shortfall}`);
const skipped = report.numPendingTests + report.numTodoTests;
console.log(`${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped} skipped`);
process.exitCode = shortfalls.length > 0 ? 1 : 0;
