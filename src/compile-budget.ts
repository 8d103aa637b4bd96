import { setFlagsFromString } from "node:v8";

/**
 * Says how much V8 interprets of a function before it compiles it with optimisation, in bytes of bytecode.
 * V8's own default is 67,584. Only the first V8 that Peerline runs on has this setting. Later ones count a
 * function's calls, compile in more steps, and complain of a setting that they do not know.
 */
export function setCompileBudget(bytes: number): void {
  const [version = 0] = process.versions.v8.split(".").map(Number);
  if (version < 12) setFlagsFromString(`--interrupt-budget=${bytes}`);
}
