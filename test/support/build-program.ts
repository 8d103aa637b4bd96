import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

/** Makes a program of a TypeScript file, in a folder: Node runs no TypeScript. Resolves to its path. */
export async function buildProgram(input: URL, folder: string): Promise<string> {
  const path = fileURLToPath(input);
  const file = join(folder, `${/([^/]+)\.ts$/.exec(path)?.[1]}.mjs`);
  const bundle = await rolldown({
    input: path,
    platform: "node",
    transform: { target: "node20.19" },
    logLevel: "silent",
  });
  await bundle.write({ file, format: "esm", codeSplitting: false });
  await bundle.close();
  return file;
}
