import { execFileSync } from "node:child_process";

/** Reads from a database that nobody has open, in a process of its own: see `execute`. */
export function query(path: string, sql: string): unknown[] {
  const program = `const database = new (require("libsql"))(process.argv[1]);
    process.stdout.write(JSON.stringify(database.prepare(process.argv[2]).all()));`;
  const output = execFileSync(process.execPath, ["-e", program, path, sql], { encoding: "utf8" });
  return JSON.parse(output) as unknown[];
}

/** The page on which a table or an index begins; the first is 1. */
export function rootOf(path: string, name: string): number {
  if (name === "sqlite_schema") return 1;
  const rows = query(path, `SELECT rootpage FROM sqlite_schema WHERE name = '${name}'`);
  return (rows[0] as { rootpage: number }).rootpage;
}
