import { spawnSync } from "node:child_process";
import { expect } from "vitest";

/**
 * Runs SQL on a database that nobody has open, in a process of its own: libsql holds a file until the
 * last statement on it is collected. A process that is killed then leaves a WAL.
 */
export function execute(path: string, sql: string, end: "closed" | "killed" = "closed"): void {
  const ending = end === "killed" ? "process.kill(process.pid, 'SIGKILL')" : "database.close()";
  const program = `const database = new (require("libsql"))(process.argv[1]);
    database.exec(process.argv[2]); ${ending}`;
  const { status, signal } = spawnSync(process.execPath, ["-e", program, path, sql]);
  expect(signal ?? status).toBe(end === "killed" ? "SIGKILL" : 0);
}
