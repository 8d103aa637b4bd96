import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { rolldown } from "rolldown";
import { onTestFinished } from "vitest";

/** Bits flipped in copies of one database, once for each seed. */
export interface FlippedTrial {
  /** Of the database as a process that was killed leaves it. */
  readonly path: string;
  /** For the copies, which do not stay. */
  readonly folder: string;
  readonly flippedSuffix: "" | "-wal";
  /** In each copy. */
  readonly flips: number;
  readonly firstSeed: number;
  readonly seeds: number;
  readonly messageIds: readonly string[];
  readonly workerUrl: string;
}

/** What a store gave of one such copy. */
export interface Examination {
  readonly seed: number;
  readonly flips: readonly number[];
  /** Why it was not opened; empty where it was. */
  readonly refused: string;
  /** What the store said of damage. */
  readonly told: readonly string[];
  /** By message id, asked for one by one: "intact", "lost" where that was said, or what went wrong. */
  readonly found: Record<string, string>;
  /** By message id, from the queue; "again" for one that is intact and marked as redelivered. */
  readonly offered: Record<string, string>;
  /** Names of the peers that are as they were. */
  readonly peers: readonly string[];
}

/** Runs the trial in a process of its own, and expects that to end well. */
export function runFlips(trial: FlippedTrial): Promise<Examination[]> {
  return runTrial("flip-examiner", dirname(trial.path), trial);
}

/**
 * Runs a program of this folder with a trial as its argument, and reads the lines of JSON that it prints.
 *
 * @param folder where the program is built.
 */
export async function runTrial<T>(name: string, folder: string, trial: object): Promise<T[]> {
  const program = join(folder, `${name}.mjs`);
  const libsql = pathToFileURL(createRequire(import.meta.url).resolve("libsql")).href;
  const bundle = await rolldown({
    input: join(import.meta.dirname, `${name}.ts`),
    platform: "node",
    plugins: [
      {
        name: "installed-libsql",
        resolveId: (id) => (id === "libsql" ? { id: libsql, external: true } : undefined),
      },
    ],
  });
  await bundle.write({ file: program, format: "esm" });
  await bundle.close();
  const child = spawn(process.execPath, [program, JSON.stringify(trial)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = once(child, "exit");
  const [output, complaint] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code, signal] = (await ended) as [number | null, string | null];
  if (code !== 0) {
    const last = output.trim().split("\n").at(-1)?.slice(0, 200);
    throw new Error(`ended by ${signal ?? code} at ${last}: ${complaint.slice(0, 1000)}`);
  }
  return output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}
