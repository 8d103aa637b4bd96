import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

/** The store's worker, built with the one difference that it sets and expects synchronous=NORMAL. */
export async function relaxedWorker(folder: string): Promise<URL> {
  const file = join(folder, "relaxed-worker.mjs");
  const libsql = pathToFileURL(createRequire(import.meta.url).resolve("libsql")).href;
  const bundle = await rolldown({
    input: join(import.meta.dirname, "../../src/store/sqlite/worker.ts"),
    platform: "node",
    plugins: [
      {
        name: "relaxed-synchronous",
        resolveId: (id) => (id === "libsql" ? { id: libsql, external: true } : undefined),
        transform: (code, id) => (id.endsWith("/database.ts") ? relax(code) : undefined),
      },
    ],
  });
  await bundle.write({ file, format: "esm" });
  await bundle.close();
  return pathToFileURL(file);
}

function relax(code: string): string {
  const relaxed = code
    .replace("PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL")
    .replace("synchronous=2", "synchronous=1");
  if (relaxed.includes("= FULL") || relaxed.includes("synchronous=2")) {
    throw new Error("database.ts does not set the mode as this test expects");
  }
  return relaxed;
}
