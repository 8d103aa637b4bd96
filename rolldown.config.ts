import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
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
  plugins: [licensesOfBundledPackages("THIRD-PARTY-LICENSES.txt"), partsOfHosts(), inPlace()],
  output: {
    dir: "dist",
    format: "esm",
    // `inPlace` removes what is left of the last build: agents start the program also during a build.
    cleanDir: false,
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

/**
 * Writes what hosts take as files: the script of their hooks, the marketplace of Claude Code and Codex,
 * and the extension of Gemini CLI. The script and the skill are in each, as hosts install copies.
 */
function partsOfHosts(): Plugin {
  const marketplace = "src/hosts/claude-code/parts/marketplace";
  const extension = "src/hosts/gemini-cli/parts/gemini-extension";
  return {
    name: "parts-of-hosts",
    generateBundle() {
      const emit = (fileName: string, source: string) =>
        this.emitFile({ type: "asset", fileName, source });
      const emitFolder = (from: string, to: string) => {
        for (const file of filesIn(from)) emit(join(to, relative(from, file)), versioned(file));
      };
      const script = readFileSync("src/hosts/doorbell/doorbell.sh", "utf8");
      emit("doorbell.sh", script);
      emitFolder(marketplace, "marketplace");
      emitFolder(extension, "gemini-extension");
      for (const folder of ["marketplace/plugin", "gemini-extension"]) {
        emit(`${folder}/doorbell.sh`, script);
        emitFolder("src/hosts/skill", `${folder}/skills/peerline`);
      }
    },
  };
}

/**
 * Makes a build over an installed one: `npm install --global .` links to the output, so that the program
 * has to be there all the time, and may be executed. What the last build left goes once all is written.
 */
function inPlace(): Plugin {
  return {
    name: "in-place",
    writeBundle({ dir = "dist" }, bundle) {
      chmodSync(join(dir, "peerline.js"), 0o755);
      for (const file of filesIn(dir)) {
        if (!(relative(dir, file) in bundle)) rmSync(file);
      }
    },
  };
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The text of a file; a manifest with this package's version. */
function versioned(file: string): string {
  const text = readFileSync(file, "utf8");
  if (!/[/\\](?:plugin|gemini-extension)\.json$/.test(file)) return text;
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  const { name, ...manifest } = JSON.parse(text) as { name: string };
  return `${JSON.stringify({ name, version, ...manifest }, null, 2)}\n`;
}
