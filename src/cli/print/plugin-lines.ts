import type { FoundPlugin, Host } from "../../hosts/host.js";
import { commandLine } from "../doctor/quoted.js";

/** What `install` and `uninstall` say of a plugin that is in use: it is its host's to take out. */
export function pluginLines(
  { title }: Host,
  { path, removal }: FoundPlugin,
  { says, after }: { readonly says: string; readonly after?: string },
): string[] {
  const rest = after === undefined ? "" : `; then ${after}`;
  return [
    `${title}: its plugin ${says} (${path}).`,
    `  To take the plugin out: ${commandLine(...removal)}${rest}`,
  ];
}
