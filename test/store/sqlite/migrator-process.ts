import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { onTestFinished } from "vitest";

/** Opens the database with further migrations, in a process of its own; resolves to what it said. */
export async function migrate(path: string, steps: readonly string[]): Promise<string> {
  const child = await startMigration(path, steps);
  const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return output;
}

/** Starts to. */
export async function startMigration(
  path: string,
  steps: readonly string[],
): Promise<ChildProcessByStdio<null, Readable, null>> {
  const folder = mkdtempSync(join(tmpdir(), "pl-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const program = join(folder, "migrator.mjs");
  const input = fileURLToPath(new URL("migrator.ts", import.meta.url));
  const bundle = await rolldown({ input, platform: "node", external: ["libsql"] });
  await bundle.write({ file: program, format: "esm" });
  await bundle.close();
  const installed = fileURLToPath(new URL("../../../node_modules", import.meta.url));
  symlinkSync(installed, join(folder, "node_modules"));
  const child = spawn(process.execPath, [program, path, JSON.stringify(steps)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}
