import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
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
    const words = [...by, process.execPath, program, "broker"];
    const { code, stderr } = await run(command, words, {
      PATH: process.env["PATH"],
      HOME: home,
      PEERLINE_HOME: home,
    });
    expect(code).toBe(brokerExit.failed);
    expect(stderr).toContain(
      `The home ${home} is on a file system that other machines may use (${type})`,
    );
    expect(stderr).toContain("Set PEERLINE_HOME to a directory on a local disk");
    expect(existsSync(join(home, "peerline.db"))).toBe(false);
  },
);

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "pl-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
