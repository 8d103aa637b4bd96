import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { defineConfig, type Plugin, type RolldownOptions } from "rolldown";

const common = {
  platform: "node",
  transform: { target: "node20.19" },
  resolve: {
    extensionAlias: { ".js": [".ts", ".js"] },
    // Its main file is UMD, whose inner requires no bundler can follow.
    alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
  },
} as const satisfies RolldownOptions;

/**
 * The program, with all that it imports inside: an agent waits while each of many files is found and read.
 * `libsql` has a part that is no JavaScript. grpc-js asks for its loader only for what nobody here calls.
 */
export const program = defineConfig({
  ...common,
  input: { peerline: "src/main.ts" },
  external: /^(?:libsql|@grpc\/proto-loader)(?:\/|$)/,
  plugins: [
    withoutSchemaChecker(),
    licensesOfBundledPackages("THIRD-PARTY-LICENSES.txt"),
    partsOfHosts(),
    oneByteEach(),
    inPlace(),
  ],
  output: {
    dir: "dist",
    format: "esm",
    minify: true,
    // `inPlace` removes what is left of the last build: agents start the program also during a build.
    cleanDir: false,
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name]-[hash].js",
    codeSplitting: {
      groups: [
        // What a broker needs besides, too: it would hold all that is in a file with it.
        { name: "toml", test: /\/node_modules\/smol-toml\//, priority: 5 },
        {
          name: "base",
          test: /\/src\/(?:abort-scope|compile-budget|cli\/report-late|contract\/(?!settings)[^/]+|endpoint\/(?:config|version))\.ts$/,
          priority: 4,
        },
        // What an agent's process loads before it answers its host, and what it loads then: a file each.
        { name: "mcp", test: /\/src\/cli\/commands\/mcp\.ts$/, priority: 3 },
        {
          name: "line",
          test: /\/src\/(?:endpoint\/(?:connect|secrets)|client\/line)\.ts$/,
          priority: 2,
        },
        { name: "adapter", test: /\/src\/mcp\/adapter\.ts$/, priority: 1 },
      ],
    },
  },
});

/**
 * The thread that holds the database, with what it needs and no more. What it loads it has for itself: in a
 * file that it shared with the program it would hold grpc-js once more.
 */
const worker = defineConfig({
  ...common,
  input: "src/store/sqlite/worker.ts",
  external: "libsql",
  output: {
    dir: "dist",
    format: "esm",
    minify: true,
    cleanDir: false,
    entryFileNames: "sqlite-worker.js",
    codeSplitting: false,
  },
});

/** What `import "peerline"` gives. It shares protobuf with whoever imports it, so that a message of one is one of the other. */
const client = defineConfig({
  ...common,
  input: "src/index.ts",
  external: /^@(?:grpc\/grpc-js|bufbuild\/protobuf)(?:\/|$)/,
  plugins: [oneByteEach()],
  output: {
    dir: "dist",
    format: "esm",
    cleanDir: false,
    entryFileNames: "index.js",
    codeSplitting: false,
  },
});

export default [program, worker, client];

/**
 * Leaves ajv out, which would be two fifths of what an agent's process loads before it answers its host. The SDK
 * checks with it what a user has filled in, and results whose tool has a schema for them: Peerline has neither.
 */
function withoutSchemaChecker(): Plugin {
  const id = "\0without-schema-checker";
  return {
    name: "without-schema-checker",
    resolveId: (source) => (source.endsWith("/validation/ajv-provider.js") ? id : undefined),
    load: (loaded) =>
      loaded === id
        ? `export class AjvJsonSchemaValidator {
            getValidator() { throw new Error("this program has no checker of JSON Schema"); }
          }`
        : undefined,
  };
}

/**
 * Writes each character beyond Latin-1 as an escape. V8 holds the text of a file as long as the program
 * runs, with two bytes for each character where a single one does not fit into one.
 */
function oneByteEach(): Plugin {
  const beyond = /[^\0-\xff]/g;
  return {
    name: "one-byte-each",
    generateBundle(_options, bundle) {
      for (const output of Object.values(bundle)) {
        if (output.type !== "chunk") continue;
        if (/raw`[^`]*[^\0-\xff]/.test(output.code)) {
          throw new Error(`${output.fileName} has a raw text that an escape would change`);
        }
        output.code = output.code.replaceAll(beyond, escaped);
      }
    },
  };
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Writes the licence text of each package that ends up in the bundle to one file of the output. */
function licensesOfBundledPackages(fileName: string): Plugin {
  return {
    name: "licenses-of-bundled-packages",
    generateBundle(_options, bundle) {
      const modules = new Map<string, string[]>();
      for (const output of Object.values(bundle)) {
        if (output.type !== "chunk") continue;
        for (const id of Object.keys(output.modules)) {
          const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0];
          if (folder !== undefined) modules.set(folder, [...(modules.get(folder) ?? []), id]);
        }
      }
      const texts = [...modules].map(licenseOf).toSorted((a, b) => (a < b ? -1 : 1));
      this.emitFile({ type: "asset", fileName, source: [...new Set(texts)].join("\n") });
    },
  };
}

function licenseOf([folder, modules]: readonly [string, readonly string[]]): string {
  const manifestPath = join(folder, "package.json");
  if (!existsSync(manifestPath)) throw new Error(`no package.json in ${folder}`);
  const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as Record<string, string>;
  const file = readdirSync(folder).find((name) => /^(?:licen[cs]e|copying)/i.test(name));
  const text =
    file === undefined ? noticesIn(modules) : readFileSync(join(folder, file), "utf8").trim();
  if (text === "") throw new Error(`${folder} has no text of its licence`);
  return `${manifest["name"]} ${manifest["version"]} (${manifest["license"]})\n\n${text}\n\n${"-".repeat(72)}\n`;
}

/** What the files of a package say at their beginnings, where it has no file with its licence. */
function noticesIn(modules: readonly string[]): string {
  const notices = modules.map((id) => /^(?:\/\/.*\n)+/.exec(readFileSync(id, "utf8"))?.[0] ?? "");
  const texts = [...new Set(notices)].filter((text) => /copyright/i.test(text)).toSorted();
  return texts.map((text) => text.replaceAll(/^\/\/ ?/gm, "").trim()).join("\n\n");
}

/**
 * Writes what hosts take as files: the script of their hooks, and what is in the folder `parts` of a host,
 * such as a marketplace or an extension. In there the script and the skill are beside each folder `hooks`,
 * as hosts install copies.
 */
function partsOfHosts(): Plugin {
  const script = "src/hosts/doorbell/doorbell.sh";
  const skill = "src/hosts/skill/SKILL.md";
  return {
    name: "parts-of-hosts",
    generateBundle() {
      const emit = (fileName: string, file: string) =>
        this.emitFile({ type: "asset", fileName, source: versioned(file) });
      emit("doorbell.sh", script);
      for (const file of filesIn("src/hosts")) {
        const [part] = /(?<=[/\\]parts[/\\]).*/.exec(file) ?? [];
        if (part === undefined) continue;
        emit(part, file);
        const [plugin] = /^.*(?=[/\\]hooks[/\\])/.exec(part) ?? [];
        if (plugin === undefined) continue;
        emit(join(plugin, "doorbell.sh"), script);
        emit(join(plugin, "skills", "peerline", "SKILL.md"), skill);
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
        const name = relative(dir, file);
        if (!(name in bundle) && !ofOtherBuilds.has(name)) rmSync(file);
      }
    },
  };
}

const ofOtherBuilds = new Set(["sqlite-worker.js", "index.js"]);

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The text of a file; with this package's version where a manifest has none yet. */
function versioned(file: string): string {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  return readFileSync(file, "utf8").replace('"version": "0.0.0"', `"version": "${version}"`);
}
