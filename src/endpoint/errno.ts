import { constants } from "node:os";

/** The code of an error of the operating system, for example `ENOENT`; undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  if (typeof error.code !== "string") return undefined;
  return error.code.startsWith("Unknown system error") && "errno" in error
    ? nameOf(-Number(error.errno))
    : error.code;
}

/** Node has no names for some, among them EDQUOT and ENOLCK. */
function nameOf(number: number): string {
  const found = Object.entries(constants.errno).find(([, value]) => value === number);
  return found?.[0] ?? `errno ${number}`;
}
