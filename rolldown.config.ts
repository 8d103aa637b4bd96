import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "rolldown";

/** Installed beside the bundle; everything else that is imported becomes part of it. */
const installed = /^(?:@grpc\/grpc-js|@bufbuild\/protobuf|libsql)(?:\/|$)/;

export default defineConfig({
  input: {
    peerline: "src/main.ts",
    index: "src/index.ts",
    "sqlite-worker": "src/store/sqlite/worker.ts",
  },
  platform: "node",
  external: installed,
  transform: { target: "node20.19" },
  resolve: {
    extensionAlias: { ".js": [".ts", ".js"] },
    // Its main file is UMD, whose inner requires no bundler can follow.
    alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
  },
  plugins: [licensesOfBundledPackages("THIRD-PARTY-LICENSES.txt")],
  output: {
    dir: "dist",
    format: "esm",
    cleanDir: true,
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name]-[hash].js",
  },
});

/** Writes the licence text of each package that ends up in the bundle to one file of the output. */
function licensesOfBundledPackages(fileName: string): Plugin {
  return {
    name: "licenses-of-bundled-packages",
    generateBundle(_options, bundle) {
      const folders = new Set<string>();
      for (const output of Object.values(bundle)) {
        if (output.type !== "chunk") continue;
        for (const id of Object.keys(output.modules)) {
          const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0];
          if (folder !== undefined) folders.add(folder);
        }
      }
      const texts = [...folders].map(licenseOf).toSorted((a, b) => (a < b ? -1 : 1));
      this.emitFile({ type: "asset", fileName, source: [...new Set(texts)].join("\n") });
    },
  };
}

function licenseOf(folder: string): string {
  const manifestPath = join(folder, "package.json");
  if (!existsSync(manifestPath)) throw new Error(`no package.json in ${folder}`);
  const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as Record<string, string>;
  const file = readdirSync(folder).find((name) => /^(?:licen[cs]e|copying)/i.test(name));
  const text = file === undefined ? "" : readFileSync(join(folder, file), "utf8").trim();
  return `${manifest["name"]} ${manifest["version"]} (${manifest["license"]})\n\n${text}\n\n${"-".repeat(72)}\n`;
}
