import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, startBrokerHome } from "../support/program.js";
import { eventually, newSecret } from "../support/test-broker.js";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { Line } from "../../src/client/line.js";
import { readConfig } from "../../src/endpoint/config.js";
import { openLine } from "../../src/endpoint/open-line.js";
import { SupervisedBot } from "./supervised-bot.js";

const root = join(import.meta.dirname, "../..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  version: string;
  dependencies: Record<string, string>;
};
const environment = {
  ...process.env,
  npm_config_loglevel: "error",
  npm_config_update_notifier: "false",
};

/** The package as npm would publish it, installed globally into an empty place. */
let folder: string;
let tarballPath: string;
let files: string[];
let installed: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pl-pack-"));
  const packed = await run(
    "npm",
    ["pack", root, "--ignore-scripts", "--json", "--pack-destination", folder],
    environment,
  );
  const [tarball] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
  files = tarball.files.map(({ path }) => path);
  tarballPath = join(folder, tarball.filename);
  const prefix = join(folder, "prefix");
  const install = [
    "install",
    "--global",
    "--prefix",
    prefix,
    "--no-audit",
    "--no-fund",
    tarballPath,
  ];
  const result = await run("npm", install, { ...environment, npm_config_prefer_offline: "true" });
  if (result.code !== 0) throw new Error(result.stderr);
  installed = join(prefix, "bin/peerline");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the package", () => {
  test("holds the contract, the built files with their types, licences, and nothing else", () => {
    const allowed =
      /^(package\.json|README\.md|LICENSE|proto\/.+\.proto|dist\/.+\.(js|d\.ts)|dist\/THIRD-PARTY-LICENSES\.txt|dist\/(marketplace\/|gemini-extension\/|doorbell\.sh$).*)$/;
    expect(files.filter((path) => !allowed.test(path))).toEqual([]);
    const needed = [
      "dist/peerline.js",
      "dist/index.js",
      "dist/sqlite-worker.js",
      "dist/types/src/index.d.ts",
      "proto/peerline/v1/broker_service.proto",
      "LICENSE",
      "dist/THIRD-PARTY-LICENSES.txt",
    ];
    expect(needed.filter((path) => !files.includes(path))).toEqual([]);
  });

  test("lets others find the contract by its path", () => {
    const modules = join(folder, "prefix/lib/node_modules/peerline");
    const path = "proto/peerline/v1/broker_service.proto";
    const { resolve } = createRequire(join(modules, "package.json"));
    expect(resolve(`peerline/${path}`)).toBe(join(modules, path));
    expect(() => resolve("peerline/dist/peerline.js")).toThrow("exports");
  });

  test("installs nothing that has to be compiled or run at install time", () => {
    expect(Object.keys(manifest.dependencies).toSorted()).toEqual([
      "@bufbuild/protobuf",
      "@grpc/grpc-js",
      "libsql",
    ]);
  });

  test("runs from where it was installed", async () => {
    const home = await mkdtemp(join(tmpdir(), "pl-"));
    const env = { PATH: process.env["PATH"], HOME: home, PEERLINE_HOME: home };
    try {
      expect((await run(installed, ["--version"], env)).stdout.trim()).toBe(manifest.version);
      const demo = await run(installed, ["demo"], env);
      expect(demo, demo.stderr).toMatchObject({ code: 0 });
      const status = await run(installed, ["status"], env);
      expect(status.code).not.toBe(0);
      expect(status.stdout + status.stderr).toMatch(/is not running/);
      const mcp = await run(installed, ["mcp"], env);
      expect(mcp).toMatchObject({ code: 0, stdout: "" });
    } finally {
      await run(installed, ["stop"], env);
      await rm(home, { recursive: true, force: true });
    }
  });

  test("gives TypeScript a typed client that talks to the broker", async () => {
    await using home = await startBrokerHome();
    const project = await mkdtemp(join(folder, "consumer-"));
    const modules = join(folder, "prefix/lib/node_modules/peerline");
    await symlink(join(modules, "node_modules"), join(project, "node_modules"));
    if (!existsSync(join(modules, "node_modules/peerline")))
      await symlink(modules, join(modules, "node_modules/peerline"));
    await writeFile(join(project, "package.json"), JSON.stringify({ type: "module" }));
    await writeFile(join(project, "consumer.ts"), consumer);
    const compilerOptions = {
      module: "nodenext",
      target: "es2023",
      strict: true,
      skipLibCheck: true,
      types: ["node"],
      typeRoots: [join(root, "node_modules/@types")],
    };
    const config = join(project, "tsconfig.json");
    await writeFile(config, JSON.stringify({ compilerOptions, files: ["consumer.ts"] }));
    const tsc = await run(join(root, "node_modules/.bin/tsc"), ["-p", config], environment);
    expect(tsc, tsc.stdout).toMatchObject({ code: 0 });
    const result = await run(
      process.execPath,
      [join(project, "consumer.js"), `unix:${home.socket}`],
      environment,
    );
    expect(result, result.stderr).toMatchObject({ code: 0, stdout: "consumer\n" });
  });

  test("goes without a trace", async () => {
    const args = ["uninstall", "--global", "--prefix", join(folder, "prefix"), "peerline"];
    expect(await run("npm", args, environment)).toMatchObject({ code: 0 });
    expect(existsSync(installed)).toBe(false);
    expect(existsSync(join(folder, "prefix/lib/node_modules/peerline"))).toBe(false);
  });
});

describe("the bot of the README, in an empty folder with the package", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const botIn = (language: string) =>
    new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(readme)?.[1] ?? "";
  let project: string;

  beforeAll(async () => {
    project = await mkdtemp(join(folder, "bot-"));
    await writeFile(join(project, "package.json"), JSON.stringify({ type: "module" }));
    const install = ["install", "--prefix", project, "--no-audit", "--no-fund", tarballPath];
    const result = await run("npm", install, { ...environment, npm_config_prefer_offline: "true" });
    if (result.code !== 0) throw new Error(result.stderr);
  });

  test("in JavaScript loses nothing and shows nothing twice unmarked, though it and the broker are killed", async () => {
    await writeFile(join(project, "bot.js"), botIn("js"));
    await liveThrough("bot.js", ["broker", "bot", "both", "bot", "broker", "both"]);
  }, 180_000);

  test("in TypeScript is sound by its types, tells api, and survives the same", async () => {
    await writeFile(join(project, "bot.ts"), botIn("ts"));
    const compilerOptions = {
      module: "nodenext",
      target: "es2022",
      lib: ["es2023", "esnext.disposable"],
      strict: true,
      types: ["node"],
      typeRoots: [join(root, "node_modules/@types")],
    };
    const config = join(project, "tsconfig.json");
    await writeFile(config, JSON.stringify({ compilerOptions, files: ["bot.ts"] }));
    const tsc = await run(join(root, "node_modules/.bin/tsc"), ["-p", config], environment);
    expect(tsc, tsc.stdout).toMatchObject({ code: 0 });
    const told = await liveThrough("bot.js", ["broker", "bot"]);
    expect(told).toContain("main is red: 3 tests fail in auth/");
  }, 180_000);

  /** Sends the bot messages while this and that is killed. Resolves to what api was told unasked. */
  async function liveThrough(file: string, kills: readonly Victim[]): Promise<string[]> {
    const home = await mkdtemp(join(tmpdir(), "pl-"));
    const env = { PATH: process.env["PATH"], HOME: home, PEERLINE_HOME: home };
    const secret = newSecret();
    await using api = openLine({
      config: readConfig(env),
      program: join(project, "node_modules/peerline/dist/peerline.js"),
      openSecret: async () => secret,
      introduction: { name: "api", kind: PeerKind.PROGRAM },
      receives: true,
    });
    const told: string[] = [];
    const answered = new Set<string>();
    const reading = (async () => {
      for await (const { inReplyTo, text } of api.messages()) {
        if (inReplyTo === undefined) told.push(text);
        else answered.add(inReplyTo);
      }
    })();
    const sent = new Map<string, string>();
    try {
      await api.ready();
      await using bot = new SupervisedBot(join(project, file), env);
      await eventually(async () => expect(await send(api, "hello", sent)).toBeDefined(), 60_000);
      for (const [round, victim] of kills.entries()) {
        for (let n = 0; n < 8; n++) await send(api, `message ${n} of round ${round}`, sent);
        if (victim !== "bot") process.kill(await brokerPid(api), "SIGKILL");
        if (victim !== "broker") bot.kill();
      }
      await send(api, "last", sent);
      for (const id of sent.keys()) {
        await eventually(async () => {
          const { record } = await api.call((client, options) =>
            client.getMessage({ messageId: id }, options),
          );
          expect(record?.receipts).toMatchObject([{ state: ReceiptState.ANSWERED }]);
          expect(answered).toContain(id);
        }, 60_000);
      }
      const texts = [...sent.values()];
      const shown = texts.map((text) => [
        text,
        bot.lines.filter((line) => line === `new: ${text}`).length,
        bot.lines.some((line) => line.endsWith(`: ${text}`)),
      ]);
      expect(shown.filter(([, unmarked, isShown]) => Number(unmarked) > 1 || !isShown)).toEqual([]);
      return told;
    } finally {
      const pid = await brokerPid(api);
      await api.close();
      await reading;
      process.kill(pid, "SIGTERM");
      await rm(home, { recursive: true, force: true, maxRetries: 10 });
    }
  }
});

type Victim = "broker" | "bot" | "both";

async function send(api: Line, text: string, sent: Map<string, string>): Promise<string> {
  const { messageId } = await api.send("ci", text);
  sent.set(messageId, text);
  return messageId;
}

async function brokerPid(line: Line): Promise<number> {
  return (await line.call((client, options) => client.getServerInfo({}, options))).pid;
}

const consumer = `
import { BrokerService, createClient, openChannel, type RegisterResponse } from "peerline";

const channel = openChannel(process.argv[2] ?? "");
const client = createClient(BrokerService, channel);
const answer: RegisterResponse = await client.register({ secret: "s".repeat(43), name: "consumer" });
// @ts-expect-error a field that does not exist
await client.getServerInfo({ nonsense: 1 });
console.log(answer.peer?.name);
channel.close();
`;
