import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { openRegularFile } from "../../endpoint/regular-file.js";
import { maxManifestBytes } from "./limits.js";

/** The version of the Peerline that a program's file belongs to; undefined where that cannot be told. */
export function programVersion(program: string): string | undefined {
  try {
    const folder = dirname(dirname(realpathSync(program)));
    using file = openRegularFile(join(folder, "package.json"));
    const manifest: unknown = JSON.parse(file?.read(0, maxManifestBytes).toString() ?? "");
    const { name, version } = manifest as Record<string, unknown>;
    return name === "peerline" && typeof version === "string" ? version : undefined;
  } catch {
    return undefined;
  }
}
