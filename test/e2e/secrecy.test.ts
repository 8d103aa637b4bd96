import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "../mcp/agent.js";
import { TestHome } from "../mcp/test-home.js";
import { argumentsOfAll } from "../support/process-reading.js";
import { HostilePeer } from "../support/hostile-peer.js";
import { eventually } from "../support/test-broker.js";

describe("what nobody may read", () => {
  const apiKey = `sk-ant-${randomBytes(24).toString("hex")}`;
  const words = `the words ${randomBytes(12).toString("hex")} of a message`;
  let home: TestHome;
  let agent: Agent;
  let other: HostilePeer;

  beforeAll(async () => {
    home = await TestHome.open();
    agent = await home.start("api", {
      env: { ANTHROPIC_API_KEY: apiKey, NODE_OPTIONS: `--title=${apiKey}` },
    });
    await agent.facts("list_peers");
    other = await HostilePeer.join(home.path);
    await other.client.sendMessage({ to: ["api"], text: words, data: { words } });
    await agent.facts("get_messages", { wait_ms: 5000 });
    await agent.facts("send_message", { to: "mallory", message: `${words}, answered` });
    await provokeErrors();
  });
  afterAll(async () => {
    other[Symbol.dispose]();
    await home[Symbol.asyncDispose]();
  });

  /** Makes the broker and the adapter refuse, fail, lose each other and say so. */
  async function provokeErrors(): Promise<void> {
    const told: unknown[] = [];
    const note = (error: unknown) => void told.push(error);
    await other.client.sendMessage({ to: ["nobody"], text: words }).catch(note);
    await other.client.sendMessage({ to: ["api"], text: words.repeat(1000) }).catch(note);
    await other.client.register({ secret: `${other.secret} is no secret` }).catch(note);
    await other.client
      .register({ keyring: [`${other.secret}.`], secret: other.secret })
      .catch(note);
    await agent.failure("send_message", { to: "nobody", message: words });
    await home.killBroker("SIGKILL");
    await other.client.listPeers({}).catch(note);
    await agent.facts("list_peers");
    await eventually(async () => {
      await other.client.getServerInfo({});
    });
    await other.client.listPeers({}).catch(note);
    expect(told).toHaveLength(6);
    for (const error of told) {
      const shown = error instanceof Error ? `${error.message} ${error.stack}` : String(error);
      expect(shown).not.toContain(other.secret);
      expect(shown).not.toContain(other.token);
      expect(shown).not.toContain(words);
    }
  }

  test("an agent's API key is in no file of the home and not in the environment of the broker it started", async () => {
    for (const [path, content] of await filesOf(home.path))
      expect(content.includes(apiKey), path).toBe(false);
    const broker = await home.brokerPid();
    const environment = (await readFile(`/proc/${broker}/environ`, "utf8")).split("\0");
    expect(environment.join()).not.toContain(apiKey);
    expect(environment).toContain(`PEERLINE_HOME=${home.path}`);
    // The same look finds it where it is.
    expect(await readFile(`/proc/${agent.pid}/environ`, "utf8")).toContain(apiKey);
  });

  test("secrets and tokens are each in their own file alone, and in no process's arguments", async () => {
    const files = await filesOf(home.path);
    const secrets = [...files].filter(([path]) => /\.secret$|\.token$/.test(path));
    expect(secrets).toHaveLength(2);
    for (const [own, secret] of [...secrets, ["", Buffer.from(other.secret)] as const]) {
      for (const [path, content] of files)
        expect(path !== own && content.includes(secret.toString().trim()), path).toBe(false);
      expect(argumentsOfAll()).not.toContain(secret.toString().trim());
    }
    for (const [path, content] of files) expect(content.includes(other.token), path).toBe(false);
    expect(argumentsOfAll()).not.toContain(other.token);
    expect(argumentsOfAll()).toContain("peerline.js\0broker");
  });

  test("the words of a message are in the database alone", async () => {
    const files = await filesOf(home.path);
    const holders = [...files].filter(([, content]) => content.includes(words));
    expect(holders.length).toBeGreaterThan(0);
    for (const [path] of holders) expect(path).toMatch(/^peerline\.db/);
    expect(files.get("broker.log")?.toString()).toContain("peer created");
    await eventually(() => expect(agent.log).toContain("connected"));
    expect(agent.log).not.toContain(words);
    expect(argumentsOfAll()).not.toContain(words);
  });
});

/** Every file below a folder, by its path in it. */
async function filesOf(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(folder.length + 1), await readFile(path));
  }
  return files;
}
