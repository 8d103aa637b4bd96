import { join } from "node:path";
import type { UserPlaces } from "../endpoint/config.js";

/** A place for servers that `install` does not use. */
export interface OtherPlace {
  /** The host's name, as an installer has it. */
  readonly host: string;
  readonly path: string;
  /** The names of the objects around the server, from the root of the file. */
  readonly within: readonly string[];
  /** `local`: the host reads it for this project alone. `ignored`: people write servers there, and the host does not look. */
  readonly scope: "local" | "ignored";
}

export function otherPlaces(places: UserPlaces, project: string): readonly OtherPlace[] {
  const claude = places.claude ?? join(places.home, ".claude");
  const settings = [claude, join(project, ".claude")].flatMap((folder) =>
    ["settings.json", "settings.local.json"].map((name) => join(folder, name)),
  );
  const codex = [places.codex, join(project, ".codex")];
  const vscode = [join(places.settings, "Code", "User"), join(project, ".vscode")];
  return [
    {
      host: "claude",
      path: join(places.claude ?? places.home, ".claude.json"),
      within: ["projects", project, "mcpServers"],
      scope: "local",
    },
    ...ignored("claude", settings, "mcpServers"),
    ...ignored("claude", [join(claude, ".mcp.json"), join(claude, "mcp.json")], "mcpServers"),
    ...ignored("codex", inFolders(codex, "config.toml"), "mcpServers"),
    ...ignored("codex", inFolders(codex, "mcp.json"), "mcpServers"),
    ...ignored("cursor", inFolders([places.home, project], ".cursor", "mcp.json"), "servers"),
    ...ignored("vscode", inFolders(vscode, "mcp.json"), "mcpServers"),
  ];
}

function ignored(host: string, paths: readonly string[], servers: string): OtherPlace[] {
  return paths.map((path) => ({ host, path, within: [servers], scope: "ignored" }));
}

function inFolders(folders: readonly string[], ...names: readonly string[]): string[] {
  return folders.map((folder) => join(folder, ...names));
}
