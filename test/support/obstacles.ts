import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";

/**
 * What may stand where a file is expected, each with a function that puts it there. The two files of
 * many bytes begin with the text that is looked for, so that a reader without a bound finds it.
 */
export const obstacles: readonly (readonly [what: string, put: Put])[] = [
  ["a named pipe", (path) => execFileSync("mkfifo", [path])],
  ["a directory", (path) => mkdirSync(path)],
  ["a link to a device without an end", (path) => symlinkSync("/dev/zero", path)],
  ["a link to itself", (path) => symlinkSync(path, path)],
  ["a file of 400 MB, nearly all of it a hole", (path, text) => putLargeFile(path, text, 400e6)],
  ["a file of 1 TB, nearly all of it a hole", (path, text) => putLargeFile(path, text, 1e12)],
];

/** What may stand in the place of a file of the home, and is none. */
export const noFiles: readonly (readonly [what: string, put: (path: string) => unknown])[] = [
  ["a named pipe", (path) => execFileSync("mkfifo", [path])],
  ["a folder", (path) => mkdirSync(path)],
  ["a link to nothing", (path) => symlinkSync("/nonexistent/file", path)],
  ["a link to itself", (path) => symlinkSync(path, path)],
];

type Put = (path: string, text: string) => unknown;

/** Puts it in the place of what was there. */
export function obstruct(path: string, put: Put, text = ""): void {
  rmSync(path, { recursive: true, force: true });
  put(path, text);
}

/** How much the memory of this process grew at most in the course of a piece of work, in bytes. */
export async function growthDuring(work: () => Promise<unknown>): Promise<number> {
  const before = process.resourceUsage().maxRSS;
  await work();
  return (process.resourceUsage().maxRSS - before) * 1024;
}

function putLargeFile(path: string, text: string, bytes: number): void {
  writeFileSync(path, text);
  truncateSync(path, bytes);
}
