import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Finding } from "../../src/cli/doctor/finding.js";
import { brokerExit } from "../../src/endpoint/start-report.js";
import { whyNot } from "../support/pid-namespace.js";
import { program, run } from "../support/program.js";

/** The words before a command that the system tells of other mounts than there are. */
function told(mounts: string): string[] {
  const mount = 'mount --bind "$0" /proc/$$/mountinfo && exec "$@"';
  return ["unshare", "--mount", "sh", "-c", mount, mounts];
}

const cannotTell = whyNot(...told("/dev/null"), "true");
if (cannotTell !== undefined) console.warn(`skipped: foreign homes, because ${cannotTell}`);

test.skipIf(cannotTell !== undefined).each(["nfs4", "cifs", "virtiofs"])(
  "no broker starts in a home on a file system that other machines may use: %s",
  async (type) => {
    const home = newFolder();
    const mounts = join(newFolder(), "mounts");
    writeFileSync(
      mounts,
      `21 1 254:0 / / rw - ext4 /dev/root rw\n40 21 0:35 / ${home} rw - ${type} other rw\n`,
    );
    const [command = "", ...by] = told(mounts);
    const peerline = (...args: string[]) => {
      const env = { PATH: process.env["PATH"], HOME: home, PEERLINE_HOME: home };
      return run(command, [...by, process.execPath, program, ...args], env);
    };
    const what = `is on a file system that other machines may use (${type})`;
    const fix = "Set PEERLINE_HOME to a directory on a local disk";
    const { code, stderr } = await peerline("broker");
    expect(code).toBe(brokerExit.failed);
    expect(stderr).toContain(`The home ${home} ${what}`);
    expect(stderr).toContain(fix);
    expect(existsSync(join(home, "peerline.db"))).toBe(false);
    const { findings } = JSON.parse((await peerline("doctor", "--json")).stdout) as {
      findings: Finding[];
    };
    expect(findings).toContainEqual(
      expect.objectContaining({
        id: "home-foreign",
        severity: "problem",
        seen: expect.stringContaining(what),
        fix: expect.stringContaining(fix),
      }),
    );
  },
);

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "pl-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
