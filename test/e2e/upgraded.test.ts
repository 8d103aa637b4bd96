import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { installCopy } from "../support/installed-copy.js";
import { program } from "../support/program.js";
import { eventually } from "../support/test-broker.js";
import { initialize, initialized, RawAgent, toolCall } from "../mcp/raw-agent.js";
import { TestHome } from "../mcp/test-home.js";

/** An agent that goes on while an upgrade removes the Node and the Peerline that it runs. */
describe("an agent whose own files an upgrade has removed", () => {
  let home: TestHome;
  let agent: RawAgent;
  /** Where the old files were. */
  let old: string;
  /** The program that it was started with. */
  let own: string;
  /** A folder on the agent's PATH. */
  let bin: string;
  let calls = 1;

  beforeEach(async () => {
    home = await TestHome.open();
    old = join(home.path, "old");
    bin = join(home.path, "bin");
    mkdirSync(join(old, "bin"), { recursive: true });
    mkdirSync(bin);
    copyFileSync(process.execPath, join(old, "bin/node"));
    own = installCopy(old);
    const command = [join(old, "bin/node"), own, "mcp"];
    agent = new RawAgent(home.path, { PATH: bin }, command);
    agent.write(initialize, initialized);
    expect(await call()).toContain('"you"');
    rmSync(old, { recursive: true });
    await home.killBroker("SIGTERM");
  });

  afterEach(async () => {
    await agent[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  async function call(): Promise<string> {
    const id = ++calls;
    agent.write(toolCall(id, "list_peers"));
    return JSON.stringify((await agent.answer(id)).result);
  }

  test("starts the broker with what is on PATH", async () => {
    symlinkSync(process.execPath, join(bin, "node"));
    symlinkSync(program, join(bin, "peerline"));
    expect(await call()).toContain('"you"');
    const words = readFileSync(`/proc/${await home.brokerPid()}/cmdline`, "utf8").split("\0");
    // Between the two stand flags for Node.
    const command = words.filter((word) => word !== "" && !word.startsWith("--"));
    expect(command).toEqual([join(bin, "node"), program, "broker"]);
  });

  test("names the file that is gone, in its answer, its own log and the broker's", async () => {
    const said = await call();
    // Its log comes through another pipe than its answer.
    await eventually(() => {
      for (const text of [said, agent.log, readFileSync(join(home.path, "broker.log"), "utf8")]) {
        expect(text).toContain(`${own} is gone`);
        expect(text).toContain("there is no `peerline` on PATH");
      }
    });
  });
});
