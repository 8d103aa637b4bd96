import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { program } from "./program.js";

/**
 * Installs a copy of the built program in a folder, and returns its path. Where a version is given, the
 * copy is of that version.
 */
export function installCopy(folder: string, version?: string): string {
  const root = dirname(dirname(program));
  const installed = join(folder, "lib/node_modules/peerline");
  mkdirSync(installed, { recursive: true });
  cpSync(dirname(program), join(installed, "dist"), { recursive: true });
  copyFileSync(join(root, "package.json"), join(installed, "package.json"));
  symlinkSync(join(root, "node_modules"), join(installed, "node_modules"));
  if (version !== undefined) restamp(installed, version);
  return join(installed, "dist/peerline.js");
}

/** Changes the version that the program says it is of. */
function restamp(installed: string, version: string): void {
  const manifest = join(installed, "package.json");
  const before = (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
  const stated = new RegExp(`(["'\`])${before.replaceAll(".", "\\.")}\\1`, "g");
  const dist = join(installed, "dist");
  const holders = readdirSync(dist, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".js"))
    .map((name) => join(dist, name))
    .filter((path) => readFileSync(path, "utf8").search(stated) !== -1);
  if (holders.length === 0) throw new Error(`the built program states no version ${before}`);
  for (const path of [manifest, ...holders]) {
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replaceAll(stated, `"${version}"`));
  }
}
