import type { ModelRequest, OfferedTool } from "./model-request.js";
import type { ToolCall } from "./script.js";

/** Codex's code mode offers one tool instead of all others: it runs a program that calls them. */
export function findInterpreter({ tools }: ModelRequest): OfferedTool | undefined {
  return tools.find(({ name, namespace }) => namespace === "functions" && name === "exec");
}

/** The program that makes one call, of Peerline's tool where it has one of that name, and shows what it gave. */
export function programOf({ call, args }: ToolCall): string {
  return `// @exec: {"yield_time_ms": ${maxYieldMs}}
const isPeerlines = ({ name }) => name.includes("peerline") && name.endsWith("_${call}");
const { name } = ALL_TOOLS.find(isPeerlines) ?? { name: "${call}" };
const result = await tools[name](${JSON.stringify(args)});
text(result.structuredContent ?? result);
`;
}

/** After which Codex lets the model go on while a program still runs. */
const maxYieldMs = 60_000;
