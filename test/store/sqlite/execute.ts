import { execFileSync } from "node:child_process";

/**
 * Runs SQL on a database that nobody has open, in a process of its own: libsql holds a file until the
 * last statement on it is collected.
 */
export function execute(path: string, sql: string): void {
  const program = `new (require("libsql"))(process.argv[1]).exec(process.argv[2])`;
  execFileSync(process.execPath, ["-e", program, path, sql]);
}
