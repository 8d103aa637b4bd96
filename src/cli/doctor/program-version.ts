import { readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";

/** The version of the Peerline that a program's file belongs to; undefined where that cannot be told. */
export function programVersion(program: string): string | undefined {
  try {
    const folder = dirname(dirname(realpathSync(program)));
    const manifest: unknown = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const { name, version } = manifest as Record<string, unknown>;
    return name === "peerline" && typeof version === "string" ? version : undefined;
  } catch {
    return undefined;
  }
}
