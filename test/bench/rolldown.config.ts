import { join } from "node:path";
import { defineConfig } from "rolldown";
import { program } from "../../rolldown.config.js";

const { platform = "node", external = [], transform = {}, resolve = {}, output } = program;
const common = { platform, external, transform, resolve };
// Not in dist: a build of the product removes there what is not its own.
const dir = join(import.meta.dirname, "build");
/** A server of its own, bundled as the product is. */
const server = { ...Object(output), dir, codeSplitting: false };

/** The benchmark and its processes; and the MCP servers that the product is compared with. */
export default defineConfig([
  {
    ...common,
    input: {
      bench: join(import.meta.dirname, "bench.ts"),
      load: join(import.meta.dirname, "programs/load.ts"),
      "echo-server": join(import.meta.dirname, "programs/echo-server.ts"),
      gateway: join(import.meta.dirname, "programs/gateway.ts"),
      filler: join(import.meta.dirname, "programs/filler.ts"),
      "sqlite-worker": "src/store/sqlite/worker.ts",
    },
    output: { ...Object(output), dir, minify: false, codeSplitting: true },
  },
  {
    ...common,
    input: { "bare-server": join(import.meta.dirname, "programs/bare-server.ts") },
    output: server,
  },
  {
    ...common,
    input: { "polling-mailbox": join(import.meta.dirname, "programs/polling-mailbox.ts") },
    output: server,
  },
]);
