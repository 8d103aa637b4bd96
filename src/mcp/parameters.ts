import type { z } from "zod";
import { AdapterError } from "./adapter-error.js";
import type { Tool } from "./tools/tool.js";

/**
 * The parameters of a call, checked. Models guess names and types: known other names are understood,
 * null counts as absent, and what is wrong is answered with the parameter and the mend.
 */
export function readParameters<Parameters extends z.ZodObject>(
  tool: Tool<Parameters>,
  raw: Readonly<Record<string, unknown>>,
): z.output<Parameters> {
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(raw)) {
    if (value === null) continue;
    const known = Object.hasOwn(tool.aliases, name) ? (tool.aliases[name] ?? name) : name;
    if (!Object.hasOwn(tool.parameters.shape, known)) throw unknownParameter(tool, name);
    if (Object.hasOwn(given, known)) {
      throw bad(`\`${name}\` and \`${known}\` are the same parameter: give one of them.`);
    }
    given[known] = value;
  }
  const parsed = tool.parameters.safeParse(given);
  if (!parsed.success) throw wrongValue(tool, given, parsed.error);
  return parsed.data;
}

function unknownParameter(tool: Tool, name: string): AdapterError {
  const known = Object.keys(tool.parameters.shape);
  const list = known.length === 0 ? "takes no parameters" : `takes ${known.join(", ")}`;
  return bad(`\`${name}\` is not a parameter: ${tool.name} ${list}.`);
}

function wrongValue(
  tool: Tool,
  given: Readonly<Record<string, unknown>>,
  error: z.ZodError,
): AdapterError {
  const name = String(error.issues[0]?.path[0]);
  const schema = tool.parameters.shape[name] as z.ZodType;
  const what = Object.hasOwn(given, name)
    ? `cannot be ${JSON.stringify(given[name]).slice(0, 60)}`
    : "is missing";
  return bad(`\`${name}\` ${what}. It takes: ${schema.description}`);
}

function bad(sentence: string): AdapterError {
  return new AdapterError("BAD_PARAMETER", sentence);
}
