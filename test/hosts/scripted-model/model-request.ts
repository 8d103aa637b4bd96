/** What a host sends its model, in the words that all wire formats share. */
export interface ModelRequest {
  /** The whole context, oldest first. */
  readonly turns: readonly Turn[];
  /** The tools that the model may call. */
  readonly tools: readonly OfferedTool[];
}

export interface Turn {
  readonly role: Role;
  readonly text: string;
}

/** Whose words a turn is, as the host tells its model. */
export type Role = "system" | "developer" | "user" | "model" | "tool";

export interface OfferedTool {
  readonly name: string;
  /** Codex groups the tools of a server. */
  readonly namespace?: string;
}

/** The tool of Peerline that has this name, however the host spells it, else the host's own. */
export function findTool({ tools }: ModelRequest, name: string): OfferedTool {
  const isPeerlines = ({ namespace = "", name: spelled }: OfferedTool) =>
    (namespace + spelled).includes("peerline") &&
    (spelled === name || spelled.endsWith(`_${name}`));
  const found = tools.find(isPeerlines) ?? tools.find((tool) => tool.name === name);
  if (found !== undefined) return found;
  const offered = tools.map((tool) => tool.name).join(", ");
  throw new Error(`no tool ${name} was offered to the model, only ${offered}`);
}

/** What the last call of a tool gave. */
export function lastResult({ turns }: ModelRequest): string {
  return turns.findLast(({ role }) => role === "tool")?.text ?? "";
}
