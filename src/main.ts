#!/usr/bin/env node
import { fileURLToPath } from "node:url";

// Nothing else is imported before this check: an older Node would fail on it without a word of why.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`peerline needs Node 20.19 or newer; this is ${process.version}.\n`);
  process.exitCode = 1;
} else {
  const program = fileURLToPath(import.meta.url);
  const argv = process.argv.slice(2);
  // What runs for long loads no command line, whose parts it would hold to its end.
  const only = argv.length === 1 ? argv[0] : undefined;
  if (only === "mcp") {
    process.exitCode = await (await import("./cli/commands/mcp.js")).runMcp(program);
  } else if (only === "broker") {
    process.exitCode = await (await import("./cli/commands/broker.js")).runBrokerAlone();
  } else {
    const exitCode = await (await import("./cli/program.js")).runProgram(argv, program);
    await (await import("./cli/end-process.js")).endProcess(exitCode);
  }
}
