import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { expect, test } from "vitest";
import { allHosts } from "../src/hosts/all-hosts.js";

const root = join(import.meta.dirname, "..");

/** Which folders of src each folder may import from, besides itself. */
const mayImport: Record<string, readonly string[]> = {
  contract: [],
  rpc: [],
  client: ["contract", "rpc"],
  broker: ["contract", "rpc"],
  store: ["contract", "broker"],
  endpoint: ["contract", "client", "rpc"],
  daemon: ["contract", "endpoint", "store", "broker", "rpc"],
  hosts: ["contract", "endpoint"],
  mcp: ["contract", "client", "hosts", "endpoint", "rpc"],
  cli: ["contract", "client", "mcp", "hosts", "endpoint", "rpc"],
  "main.ts": ["cli"],
  "index.ts": ["client", "endpoint", "rpc"],
  "clock.ts": [],
  "abort-scope.ts": [],
  "compile-budget.ts": [],
  "back-off.ts": [],
  "durable-file.ts": [],
  "coded-error.ts": [],
  "open-file.ts": [],
  "pulse.ts": [],
};
/** Files at the top of src that all may import. */
const sharedFiles = new Set([
  "clock.js",
  "abort-scope.js",
  "compile-budget.js",
  "back-off.js",
  "durable-file.js",
  "coded-error.js",
  "open-file.js",
  "pulse.js",
]);
/** Commands that need what an agent's process never loads. */
const mayLoadDaemon: ReadonlySet<string> = new Set([
  "src/cli/commands/broker.ts",
  "src/cli/commands/migrate.ts",
  "src/cli/broker-process.ts",
]);
/** The packages that each folder may import; a folder that is absent may import none. */
const packages: Record<string, RegExp> = {
  client: /^(@bufbuild\/protobuf(\/.*)?|uuid)$/,
  rpc: /^(@bufbuild\/protobuf(\/.*)?|@grpc\/grpc-js)$/,
  broker: /^(@bufbuild\/protobuf(\/.*)?|uuid)$/,
  store: /^(@bufbuild\/protobuf(\/.*)?|@nats-io\/(transport-node|jetstream)|libsql)$/,
  endpoint: /^(@bufbuild\/protobuf(\/.*)?|smol-toml)$/,
  daemon: /^(@bufbuild\/protobuf(\/.*)?|@peculiar\/x509|reflect-metadata|libsql|pino)$/,
  hosts: /^(jsonc-parser|smol-toml)$/,
  mcp: /^(@bufbuild\/protobuf(\/.*)?|@modelcontextprotocol\/sdk\/.*|zod|uuid)$/,
  cli: /^(@bufbuild\/protobuf(\/.*)?|@modelcontextprotocol\/sdk\/.*|commander|picocolors|string-width|wrap-ansi|uuid)$/,
};

interface Import {
  readonly file: string;
  readonly from: string;
  readonly target: string;
  readonly dynamic: boolean;
}

const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter(
  (name) => name.endsWith(".ts"),
);
const imports = sources.flatMap((name) => importsOf(join(root, "src", name)));

test("each folder imports only what the layout allows", () => {
  const broken = imports.filter(({ file, from, target }) => {
    const [top = "", folder = ""] = target.split("/");
    if (top === "gen") return folder === "peerline" && from === "rpc";
    if (top === "package.json") return false;
    if (top !== "src" || folder === from || sharedFiles.has(folder)) return false;
    if (mayLoadDaemon.has(file) && folder === "daemon") return false;
    return !(mayImport[from] ?? []).includes(folder);
  });
  expect(broken.filter(({ target }) => isFile(target))).toEqual([]);
});

test("nobody but the line registers, subscribes, reports or takes leave", () => {
  const callers = sources.filter((name) =>
    /\.(?:register|subscribe|ackMessages|unregister)\(/.test(read(join(root, "src", name))),
  );
  // The broker's side serves these calls, and NATS calls one of its own so.
  const outside = callers.filter((name) => !/^(?:client|broker|store\/nats)\//.test(name));
  expect(outside).toEqual([]);
  expect(callers.filter((name) => name.startsWith("client/")).toSorted()).toEqual([
    "client/attachment.ts",
    "client/identity.ts",
    "client/line.ts",
  ]);
});

test("whatever a broker answers is checked in one place", () => {
  const callers = sources.filter((name) =>
    /\bcreateClient\(\s*BrokerService\b/.test(read(join(root, "src", name))),
  );
  expect(callers).toEqual(["client/broker-client.ts"]);
});

test("each folder imports only the packages it is allowed", () => {
  const broken = imports.filter(({ from, target }) => {
    if (isFile(target) || target.startsWith("node:")) return false;
    return !(packages[from]?.test(target) ?? false);
  });
  expect(broken).toEqual([]);
});

test("only the commands that need the store itself import the daemon, and on demand", () => {
  const importers = imports.filter(
    ({ from, target }) => target.startsWith("src/daemon/") && from !== "daemon",
  );
  expect(importers.toSorted((a, b) => (a.file < b.file ? -1 : 1))).toMatchObject([
    { file: "src/cli/broker-process.ts", dynamic: true },
    { file: "src/cli/commands/broker.ts", dynamic: true },
    { file: "src/cli/commands/migrate.ts", dynamic: true },
  ]);
});

test("a host is named in its own folder alone", () => {
  const names = new Set(allHosts.flatMap(({ name, programs }) => [name, ...programs]));
  const naming = sources.filter((file) => {
    // The others know no host at all.
    if (!/^(?:hosts|mcp|cli)\//.test(file)) return false;
    const isOfHost = allHosts.some(({ name }) => file.startsWith(`hosts/${name}/`));
    const words = read(join(root, "src", file)).matchAll(/"([a-z-]+)"/g);
    return !isOfHost && [...words].some(([, word = ""]) => names.has(word));
  });
  expect(naming).toEqual([]);
});

test("the environment is read in one file", () => {
  const readers = sources.filter((name) => /process\.env\b/.test(read(join(root, "src", name))));
  expect(readers).toEqual(["endpoint/config.ts"]);
});

test("the working directory, which may have been removed, is asked for in one file", () => {
  const askers = sources.filter((name) => /process\.cwd\b/.test(read(join(root, "src", name))));
  expect(askers).toEqual(["endpoint/config.ts"]);
});

test("a file is read whole in one place, which has a bound", () => {
  const readers = sources.filter((name) =>
    /\b(readFile|readFileSync|createReadStream)\b/.test(read(join(root, "src", name))),
  );
  expect(readers.toSorted()).toEqual([
    // What the kernel says of a process, in one line.
    "endpoint/process-stamp.ts",
    // The WAL of the database that the broker has locked.
    "store/sqlite/damage/wal.ts",
  ]);
});

test("what stands at a path is opened where nobody waits for it", () => {
  const openers = sources.flatMap((name) => {
    const text = read(join(root, "src", name));
    const named = [...text.matchAll(/import \{([^}]*)\} from "node:fs(?:\/promises)?"/g)]
      .flatMap(([, list = ""]) => list.split(",").map((one) => one.trim()))
      .filter((one) =>
        /^(?:open|writeFile|appendFile|copyFile|truncate|cp|create\w*Stream)/.test(one),
      );
    // What is made anew, and refused where there is anything, opens nothing that was there.
    const isExclusive = /"wx"/.test(text) || /O_DIRECTORY/.test(text);
    return named.length === 0 ? [] : [isExclusive ? `${name} (new files only)` : name];
  });
  expect(openers.toSorted()).toEqual([
    "cli/doctor/check-disk.ts (new files only)",
    "durable-file.ts (new files only)",
    "endpoint/regular-file.ts",
    "endpoint/start-turn.ts (new files only)",
    // Files and pipes that hooks share, with O_NONBLOCK.
    "hosts/doorbell/box-files.ts",
    "open-file.ts",
  ]);
});

test("time is read in one file", () => {
  const readers = sources.filter((name) =>
    /\bDate\.now\b|\bnew Date\(\)|\bperformance\.|\bhrtime\b/.test(read(join(root, "src", name))),
  );
  expect(readers).toEqual(["clock.ts"]);
});

test("the rules do no input or output of their own", () => {
  const io = imports.filter(
    ({ from, target }) => from === "broker" && /^node:(fs|net|http|child)/.test(target),
  );
  expect(io).toEqual([]);
});

test("a test with real hosts meets nothing that another, or its own first try, has left", () => {
  const folder = join(root, "test/e2e/hosts");
  const sharing = readdirSync(folder).filter((name) =>
    /\bbeforeAll\b/.test(read(join(folder, name))),
  );
  expect(sharing).toEqual([]);
});

test("no test gives up after a second, as vi.waitFor does by itself", () => {
  const waiting = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && name !== "architecture.test.ts")
    .filter((name) => /\bvi\.wait(?:For|Until)\b/.test(read(join(root, "test", name))));
  expect(waiting).toEqual([]);
});

test("every folder is known", () => {
  const folders = new Set(sources.map((name) => name.split("/")[0]));
  expect([...folders].filter((folder) => !(folder !== undefined && folder in mayImport))).toEqual(
    [],
  );
});

function isFile(target: string): boolean {
  return /^(src|gen|package\.json)/.test(target);
}

function importsOf(path: string): Import[] {
  const text = read(path);
  const file = relative(root, path);
  const from = file.split("/")[1] ?? "";
  const found: Import[] = [];
  const pattern =
    /^\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm;
  for (const match of text.matchAll(pattern)) {
    const specifier = match[1] ?? match[2] ?? match[3] ?? "";
    const target = specifier.startsWith(".")
      ? relative(root, normalize(join(dirname(path), specifier)))
      : specifier;
    found.push({ file, from, target, dynamic: match[3] !== undefined });
  }
  return found;
}

function read(path: string): string {
  return readFileSync(path, "utf8");
}
