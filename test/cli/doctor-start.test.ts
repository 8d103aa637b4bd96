import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { isRunning } from "../../src/endpoint/process-stamp.js";
import { program } from "../support/program.js";
import { claude, DoctorMachine, install, own } from "./doctor-machine.js";

describe("the command of an entry", () => {
  test("that writes before it speaks JSON-RPC is named", async () => {
    await using machine = await withCommand(
      `#!/bin/sh\necho "Welcome, hunter2!"\nexec ${process.execPath} ${program} mcp\n`,
    );
    const { severity, seen, fix } = await machine.finding("entry-noise");
    expect([severity, fix]).toEqual([
      "problem",
      expect.stringContaining("let it write them to standard error"),
    ]);
    expect(seen).toContain("18 bytes");
    expect(seen).not.toContain("hunter2");
  });

  test("that only execs it answers", async () => {
    await using machine = await withCommand(
      `#!/bin/sh\necho noise >&2\nexec ${process.execPath} ${program} mcp\n`,
    );
    expect((await machine.finding("entry-answers")).severity).toBe("ok");
  });

  test("that ends at once is named, with how to see why", async () => {
    await using machine = await withCommand("#!/bin/sh\nexit 3\n");
    expect(await machine.finding("entry-ended")).toMatchObject({
      severity: "problem",
      seen: expect.stringContaining("(exit code 3)"),
      fix: `${install} claude-code --force (or see what it says: ${machine.path("bin/wrapper")})`,
    });
  });

  test("that is too old a Node is named", async () => {
    await using machine = await DoctorMachine.make();
    const command = await machine.program(
      "node",
      `#!/bin/sh\n[ "$1" = --version ] && echo v18.20.1 && exit 0\nexit 1\n`,
    );
    await machine.write(".claude.json", claude({ command, args: [program, "mcp"] }));
    expect(await machine.finding("entry-node")).toMatchObject({
      severity: "problem",
      seen: expect.stringContaining("v18.20.1"),
      fix: `${install} claude-code`,
    });
  });

  test("that is another server is named", async () => {
    const answer = `{"jsonrpc":"2.0","id":1,"result":{"serverInfo":{"name":"other","version":"1"}}}`;
    await using machine = await withCommand(`#!/bin/sh\necho '${answer}'\n`);
    expect(await machine.finding("entry-foreign")).toMatchObject({
      severity: "problem",
      fix: `${install} claude-code --force`,
    });
  });

  test("that is an older Peerline is named", async () => {
    const answer = `{"jsonrpc":"2.0","id":1,"result":{"serverInfo":{"name":"peerline","version":"0.0.1"}}}`;
    await using machine = await withCommand(`#!/bin/sh\necho '${answer}'\n`);
    expect(await machine.finding("entry-version")).toMatchObject({
      severity: "warning",
      seen: expect.stringContaining("0.0.1"),
    });
  });

  test("that never answers is ended with all that it started", async () => {
    await using machine = await withCommand(sleeper);
    expect(await machine.finding("entry-silent")).toMatchObject({
      severity: "problem",
      fix: `${install} claude-code --force`,
    });
    const [pid] = await startedBy(machine);
    await expect.poll(() => isRunning(pid)).toBe(false);
  });

  test("is ended with all that it started when the doctor is interrupted", async () => {
    await using machine = await withCommand(sleeper);
    const doctor = spawn(process.execPath, [program, "doctor"], {
      env: { PATH: "", HOME: machine.home },
      stdio: "ignore",
    });
    const ended = once(doctor, "exit");
    const [pid, home] = await startedBy(machine);
    expect(isRunning(pid)).toBe(true);
    doctor.kill("SIGINT");
    expect(await ended).toEqual([130, null]);
    await expect.poll(() => isRunning(pid)).toBe(false);
    expect(existsSync(home)).toBe(false);
  });

  test("sees nothing of the user's home and broker, and no secret of it is shown", async () => {
    await using machine = await withCommand(
      `#!/bin/sh\necho "$PEERLINE_HOME $PEERLINE_BROKER" > "$HOME/told"\necho "$TOKEN" >&2\nexit 1\n`,
      { args: ["--key=hunter2"], env: { TOKEN: "hunter3" } },
    );
    const findings = JSON.stringify(await machine.findings());
    const { told } = await machine.contents();
    const [, home = ""] =
      /^\d+ (\S*peerline-doctor-\S+) unix:\S*peerline-doctor-/.exec(told ?? "") ?? [];
    expect([home, existsSync(home)]).toEqual([expect.stringMatching(/^\//), false]);
    expect(findings).toContain("entry-ended");
    expect(findings).not.toMatch(/hunter[23]/);
    const text = (await machine.peerline("doctor")).stdout;
    expect(text).not.toMatch(/hunter[23]/);
  });

  test("of a project is not started: nobody has said that it may", async () => {
    await using machine = await DoctorMachine.make();
    const command = await machine.program("wrapper", `#!/bin/sh\ntouch "$HOME/ran"\n`);
    await machine.write("shop/.mcp.json", claude({ command, args: ["mcp"] }));
    expect(await machine.finding("entry-not-started")).toMatchObject({
      severity: "note",
      seen: expect.stringContaining("it comes with the project"),
    });
    expect(await machine.contents()).not.toHaveProperty(["ran"]);
    const preload = { NODE_OPTIONS: `--require=${machine.path("evil.cjs")}` };
    await machine.write("shop/.mcp.json", claude({ ...own, env: preload }));
    expect((await machine.finding("entry-not-started")).severity).toBe("note");
    await machine.write("shop/.mcp.json", claude(own));
    expect((await machine.finding("entry-answers")).severity).toBe("ok");
  });
});

/** A machine on which Claude Code starts a script of this text. */
async function withCommand(text: string, extra: object = {}): Promise<DoctorMachine> {
  const machine = await DoctorMachine.make();
  const command = await machine.program("wrapper", text);
  await machine.write(".claude.json", claude({ command, args: [], ...extra }));
  return machine;
}

/** Starts another process, tells of it and of its own home, and waits for it. */
const sleeper = `#!/bin/sh
/bin/sleep 1000 &
echo "$! $PEERLINE_HOME" > "$HOME/new" && /bin/mv "$HOME/new" "$HOME/started"
wait
`;

async function startedBy(machine: DoctorMachine): Promise<[pid: number, home: string]> {
  await expect.poll(() => existsSync(machine.path("started"))).toBe(true);
  const [pid, home = ""] = readFileSync(machine.path("started"), "utf8").trim().split(" ");
  return [Number(pid), home];
}
