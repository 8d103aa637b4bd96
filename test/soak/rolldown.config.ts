import { join } from "node:path";
import { defineConfig, type Plugin } from "rolldown";
import { program } from "../../rolldown.config.js";
import { pruneIntervalMs, retentionMs } from "./limits.js";

/** The program with a short retention, and what puts load on it, beside each other in dist/soak. */
export default defineConfig({
  ...program,
  input: {
    ...Object(program.input),
    "sqlite-worker": "src/store/sqlite/worker.ts",
    soak: join(import.meta.dirname, "soak.ts"),
    agents: join(import.meta.dirname, "agents.ts"),
  },
  plugins: [program.plugins, shortenRetention()],
  output: { ...Object(program.output), dir: "dist/soak" },
});

/** Messages are kept for 30 days, so that the size of a database would level off after as long. */
function shortenRetention(): Plugin {
  return {
    name: "shorten-retention",
    transform(code, id) {
      if (!id.endsWith("/src/store/limits.ts")) return undefined;
      const short = code
        .replace(/^(\s*retentionMs:) .*,$/m, `$1 ${retentionMs},`)
        .replace(/^(\s*pruneIntervalMs:) .*,$/m, `$1 ${pruneIntervalMs},`);
      if (!short.includes(`${retentionMs},`) || !short.includes(`${pruneIntervalMs},`)) {
        throw new Error(`${id} states no retention: shorten it where it is stated now`);
      }
      return short;
    },
  };
}
