import { execFileSync } from "node:child_process";

/** Reads from a database that nobody has open, in a process of its own: see `execute`. */
export function query(path: string, sql: string): unknown[] {
  const program = `const database = new (require("libsql"))(process.argv[1]);
    process.stdout.write(JSON.stringify(database.prepare(process.argv[2]).all()));`;
  const output = execFileSync(process.execPath, ["-e", program, path, sql], { encoding: "utf8" });
  return JSON.parse(output) as unknown[];
}
