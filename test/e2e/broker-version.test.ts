import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { join } from "node:path";
import { VERSION } from "../../src/endpoint/version.js";
import { TestHome } from "../mcp/test-home.js";
import { installCopy } from "../support/installed-copy.js";
import { program, run, Running } from "../support/program.js";
import { eventually } from "../support/test-broker.js";
import { Operator } from "./operator.js";
import { commandOf, SharedHome, tryCommand } from "./shared-home.js";

describe("a broker of another version", () => {
  let home: TestHome;
  let older: string;

  beforeEach(async () => {
    home = await TestHome.open();
    older = installCopy(join(home.path, "older"), "0.0.9");
  });
  afterEach(() => home[Symbol.asyncDispose]());

  const environment = () => ({
    PATH: process.env["PATH"],
    HOME: home.path,
    PEERLINE_HOME: home.path,
  });

  const command = (...args: string[]) => run(process.execPath, [program, ...args], environment());

  async function startOlder(): Promise<Running> {
    const broker = new Running(process.execPath, [older, "broker"], environment());
    await eventually(() => home.brokerPid());
    return broker;
  }

  test("is told by the agent's log, status and doctor, and their advice brings the installed one", async () => {
    await using broker = await startOlder();
    const agent = await home.start("api");
    await agent.facts("list_peers");
    await agent.facts("list_peers");
    const told = `the broker that runs is version 0.0.9, and this is ${VERSION}`;
    await eventually(() =>
      expect(versions(agent.log)).toEqual([
        `peerline: ${told}: peerline stop (the next call of an agent starts the installed one)`,
      ]),
    );
    expect(await home.brokerPid(), "nobody replaced it").toBe(broker.child.pid);

    const status = await command("status");
    expect(status.stdout).toContain("0.0.9");
    expect(status.stdout.replaceAll(/\s+/g, " ")).toContain(`${told}: peerline stop`);
    const doctor = JSON.parse((await command("doctor", "--json")).stdout);
    expect(doctor.findings.filter(({ id }: { id: string }) => id === "broker-version")).toEqual([
      expect.objectContaining({ severity: "warning", seen: told }),
    ]);

    expect(await command("stop")).toMatchObject({ code: 0 });
    await agent.facts("list_peers");
    expect((await new Operator(home.path).info()).version).toBe(VERSION);
    expect(versions(agent.log)).toHaveLength(1);
  });

  test("is told once, however often it comes back", async () => {
    const env = { PEERLINE_BROKER: `unix:${join(home.path, "broker.sock")}` };
    let broker = await startOlder();
    const agent = await home.start("api", { env });
    for (let round = 1; round <= 3; round++) {
      await eventually(() => agent.facts("list_peers"));
      await broker[Symbol.asyncDispose]();
      broker = await startOlder();
    }
    await eventually(() => agent.facts("list_peers"));
    await eventually(() => expect(versions(agent.log)).toHaveLength(1));
    await broker[Symbol.asyncDispose]();
  });

  test("that is newer is told with what to do here, and is left alone", async () => {
    const newer = installCopy(join(home.path, "newer"), "9.0.0");
    await using broker = new Running(process.execPath, [newer, "broker"], environment());
    await eventually(() => home.brokerPid());
    const agent = await home.start("api");
    await agent.facts("list_peers");
    await eventually(() =>
      expect(versions(agent.log)).toEqual([expect.stringContaining("Update this one")]),
    );
    expect(await home.brokerPid()).toBe(broker.child.pid);
  });
});

describe("a broker of another version on another machine", () => {
  test("is told once, with where it is to be stopped, and by doctor and status", async () => {
    await using laptop = await SharedHome.open();
    await using desktop = await TestHome.open();
    const older = installCopy(join(laptop.path, "older"), "0.0.9");
    const home = { PATH: process.env["PATH"], HOME: laptop.path, PEERLINE_HOME: laptop.path };
    await using broker = new Running(process.execPath, [older, "broker"], home);
    const pid = await eventually(() => laptop.brokerPid());
    await commandOf(desktop.path, "join", await laptop.share());
    const agent = await desktop.start("api");
    await agent.facts("list_peers");
    await laptop.killBroker("SIGKILL");
    await using again = new Running(process.execPath, [older, "broker"], home);
    await eventually(() => agent.facts("list_peers"));
    const told = `the broker that runs is version 0.0.9, and this is ${VERSION}`;
    const fix = "On its machine, 127.0.0.1, update Peerline and run `peerline stop`";
    await eventually(() =>
      expect(versions(agent.log)).toEqual([expect.stringContaining(`${told}: ${fix}`)]),
    );
    const doctor = JSON.parse((await tryCommand(desktop.path, "doctor", "--json")).stdout);
    expect(doctor.findings.filter(({ id }: { id: string }) => id === "broker-version")).toEqual([
      expect.objectContaining({
        severity: "warning",
        seen: told,
        fix: expect.stringContaining(fix),
      }),
    ]);
    const { stdout } = await commandOf(desktop.path, "status");
    expect(stdout.replaceAll(/\s+/g, " ")).toContain(`${told}: ${fix}`);
    expect((await tryCommand(desktop.path, "stop")).stderr).toContain("stop it there");
    expect(pid).toBe(broker.child.pid);
    expect(await laptop.brokerPid()).toBe(again.child.pid);
  }, 90_000);
});

/** The lines of an agent's log that tell of a version. */
function versions(log: string): string[] {
  return log.split("\n").filter((line) => line.includes("is version"));
}
