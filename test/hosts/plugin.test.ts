import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { program } from "../support/program.js";
import { hostsPath, isMissing } from "./installed-hosts.js";
import { UserFolder } from "./user-folder.js";

const marketplace = resolve("dist/marketplace");
const extension = resolve("dist/gemini-extension");

test.each([
  ["the plugin", join(marketplace, "plugin"), ".claude-plugin/plugin.json"],
  ["the extension", extension, "gemini-extension.json"],
])("%s has the package's version, the one script and the one skill", (_what, folder, manifest) => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  const read = (path: string) => readFileSync(join(folder, path), "utf8");
  expect(JSON.parse(read(manifest))).toMatchObject({ name: "peerline", version });
  expect(read("doorbell.sh")).toBe(readFileSync("src/hosts/doorbell/doorbell.sh", "utf8"));
  expect(read("skills/peerline/SKILL.md")).toBe(readFileSync("src/hosts/skill/SKILL.md", "utf8"));
});

describe("the real programs, where PEERLINE_HOSTS names their folder", () => {
  test.skipIf(isMissing("claude"))(
    "Claude Code takes the plugin, and starts its server",
    async () => {
      await using home = await UserFolder.make();
      const claude = await hostIn(home, "claude");
      expect(await claude("plugin", "validate", marketplace)).toContain("Validation passed");
      expect(await claude("plugin", "validate", join(marketplace, "plugin"))).toContain(
        "Validation passed",
      );
      await claude("plugin", "marketplace", "add", marketplace);
      await claude("plugin", "install", "peerline@peerline");
      expect(await claude("plugin", "list")).toContain("enabled");
      expect(await claude("mcp", "list")).toContain("peerline mcp - ✔ Connected");
    },
  );

  test.skipIf(isMissing("codex"))("Codex takes the same plugin unchanged", async () => {
    await using home = await UserFolder.make();
    const codex = await hostIn(home, "codex");
    await mkdir(join(home.path, ".codex"));
    await codex("plugin", "marketplace", "add", marketplace);
    await codex("plugin", "add", "peerline@peerline");
    const server = await codex("mcp", "get", "peerline");
    expect(server).toContain("command: peerline");
    expect(server).toContain("PEERLINE_HOME");
    expect(server).toContain("tool_timeout_sec: 300");
  });

  test.skipIf(isMissing("gemini"))("Gemini CLI takes the extension", async () => {
    await using home = await UserFolder.make();
    const gemini = await hostIn(home, "gemini");
    expect(await gemini("extensions", "validate", extension)).toContain("successfully validated");
  });
});

/** Runs a host's program for a user who has `peerline` on PATH, and resolves to what it printed. */
async function hostIn(home: UserFolder, host: string) {
  const bin = join(home.path, "bin");
  await mkdir(bin);
  const script = `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`;
  await writeFile(join(bin, "peerline"), script, { mode: 0o755 });
  const run = promisify(execFile);
  const env = {
    PATH: `${bin}:${hostsPath}`,
    HOME: home.path,
    ANTHROPIC_API_KEY: "sk-ant-none",
    ANTHROPIC_BASE_URL: "http://127.0.0.1:9",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
    PEERLINE_BROKER: "unix:/nonexistent/broker.sock",
  };
  return async (...args: string[]) => {
    const child = run(host, args, { cwd: home.path, env, timeout: 60_000 });
    child.child.stdin?.end();
    const { stdout, stderr } = await child;
    return stdout + stderr;
  };
}
