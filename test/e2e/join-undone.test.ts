import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { TestHome } from "../mcp/test-home.js";
import { freePort } from "../rpc/free-port.js";
import { program, run } from "../support/program.js";
import { noFiles } from "../support/obstacles.js";
import { eventually } from "../support/test-broker.js";
import { commandOf, credentialOf, openTwoHomes, SharedHome, tryCommand } from "./shared-home.js";

/** PEERLINE_JOIN_KILLS=all kills a join at each of its steps. */
const isLong = process.env["PEERLINE_JOIN_KILLS"] === "all";

// Each starts several programs.
vi.setConfig({ testTimeout: isLong ? 300_000 : 90_000 });

let laptop: SharedHome;
let desktop: TestHome;

beforeEach(async () => {
  ({ laptop, desktop } = await openTwoHomes());
});

describe("joining and leaving undo each other to the byte", () => {
  test("in a home that was there, and in one that was not", async () => {
    const line = await laptop.share("--uses", "2");
    const before = contentsOf(desktop.path);
    await commandOf(desktop.path, "join", line);
    expect(readdirSync(desktop.path)).toEqual(["joined.json"]);
    await commandOf(desktop.path, "leave");
    expect(contentsOf(desktop.path)).toEqual(before);

    const fresh = join(desktop.path, "not/yet");
    await commandOf(fresh, "join", line);
    await commandOf(fresh, "leave");
    expect(existsSync(fresh)).toBe(false);
    expect((await machines()).every(({ isLetIn }) => !isLetIn)).toBe(true);
  });

  test("with the broker away, which is said with what to do there", async () => {
    await commandOf(desktop.path, "join", await laptop.share(), "--name", "desktop");
    await laptop.killBroker("SIGKILL");
    const { stderr } = await commandOf(desktop.path, "leave");
    expect(stderr).toContain("was not told");
    expect(stderr).toContain("nothing listens there");
    expect(stderr).toContain("`peerline machines revoke desktop`");
    expect(readdirSync(desktop.path)).toEqual([]);
    expect((await tryCommand(desktop.path, "leave")).stderr).toContain("has joined no broker");
  });

  test("when sharing ends, once no machine is let in; until then they keep what they know", async () => {
    const line = await laptop.share();
    const known = contentsOf(join(laptop.path, "tls"));
    await commandOf(desktop.path, "join", line);
    await laptop.command("share", "--off");
    expect(contentsOf(join(laptop.path, "tls"))).toEqual(known);
    await laptop.share();
    await commandOf(desktop.path, "status");
    await commandOf(desktop.path, "leave");
    await commandOf(desktop.path, "join", await laptop.share("--uses", "1"));
    await laptop.command("machines", "revoke", (await machines())[0]?.name ?? "");
    await laptop.command("share", "--off");
    expect(existsSync(join(laptop.path, "tls"))).toBe(false);
  });

  test("when sharing ends, each line that was not used is withdrawn, whoever has it", async () => {
    await commandOf(desktop.path, "join", await laptop.share());
    const lost = [await laptop.share("--expires", "2h"), await laptop.share("--uses", "5")];
    const { stdout } = await laptop.command("share", "--off");
    expect(stdout).toContain("Nobody can join any more with the 2 lines that were still good.");
    expect((await laptop.command("share", "--off")).stdout).not.toContain("Nobody can join");
    const line = await laptop.share("--uses", "1");
    expect((await laptop.command("share", "--status")).stdout).not.toContain("5 machines");
    await using other = await TestHome.open();
    for (const one of lost) {
      const { code, stderr } = await tryCommand(other.path, "join", one);
      expect({ code, stderr }).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("was withdrawn there"),
      });
    }
    await commandOf(other.path, "join", line);
    // Who was let in before stays.
    await commandOf(desktop.path, "status");
  });

  test("when sharing ends before anybody has joined", async () => {
    await laptop.command("peers").catch(() => {});
    await laptop.share("--expires", "1s");
    const endMs = Date.now() + 1000;
    await eventually(() => expect(Date.now()).toBeGreaterThan(endMs));
    await laptop.command("share", "--off");
    expect(existsSync(join(laptop.path, "tls"))).toBe(false);
    expect(existsSync(join(laptop.path, "broker.toml"))).toBe(false);
  });
});

describe("what stands in the place of what a join keeps", () => {
  test.each(noFiles)(
    "is %s: no broker is started, doctor names it, `leave` removes it",
    async (_words, put) => {
      const path = join(desktop.path, "joined.json");
      put(path);
      for (const args of [["send", "api", "hello"], ["peers"], ["share"]]) {
        const { code, stderr } = await tryCommand(desktop.path, ...args);
        expect([code, stderr]).toEqual([
          1,
          expect.stringContaining(`${path} is damaged. Run \`peerline leave\``),
        ]);
      }
      const { stdout } = await tryCommand(desktop.path, "doctor", "--json");
      const { findings } = JSON.parse(stdout) as { findings: { subject: string; seen: string }[] };
      expect(findings).toMatchObject([
        { id: "joined-damaged", subject: path, seen: expect.stringContaining("`peerline leave`") },
      ]);
      expect(readdirSync(desktop.path)).toEqual(["joined.json"]);
      await commandOf(desktop.path, "leave");
      expect(readdirSync(desktop.path)).toEqual([]);
    },
  );

  test("is a folder with files in it: `leave` names it, and it stays", async () => {
    const path = join(desktop.path, "joined.json");
    mkdirSync(path);
    writeFileSync(join(path, "mine"), "");
    expect(await tryCommand(desktop.path, "leave")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        `${path} is a folder that cannot be removed (ENOTEMPTY). Move it away.`,
      ),
    });
    expect(readdirSync(path)).toEqual(["mine"]);
  });
});

describe("the settings of sharing", () => {
  const text = "# caf\u00E9\r\n[limits]\r\npeers = 500";

  test("are undone to the byte where `share` was killed half way", async () => {
    const path = join(laptop.path, "broker.toml");
    writeFileSync(path, text, { encoding: "latin1", mode: 0o640 });
    const before = contentsOf(laptop.path)["broker.toml"];
    await laptop.command("share", "--off");
    const address = `127.0.0.1:${await freePort()}`;
    for (const step of [1, 2]) {
      const { code } = await runAndDie(
        laptop,
        { file: "broker.toml", step },
        "share",
        "--listen",
        address,
      );
      expect(code).toBe(null);
      await laptop.command("share", "--off");
      expect(contentsOf(laptop.path)["broker.toml"]).toEqual(before);
      expect(readdirSync(laptop.path).filter((name) => name.endsWith(".new"))).toEqual([]);
    }
  });

  test("that somebody wrote by hand are used, and left to whoever wrote them", async () => {
    const path = join(laptop.path, "broker.toml");
    const address = `127.0.0.1:${await freePort()}`;
    const own = `[ share ] # mine\nlisten="${address}"\naddress="${address}"\n`;
    writeFileSync(path, own);
    const { stdout } = await laptop.command("share");
    expect(stdout).toContain(`peerline://${address}/`);
    for (const options of [["--off"], ["--address", "127.0.0.1:9"]]) {
      const refused = await tryCommand(laptop.path, "share", ...options);
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("by hand") });
      expect(readFileSync(path, "utf8")).toBe(own);
    }
    expect((await laptop.command("share", "--status")).stdout).toContain(address);
  });
});

describe("a join that fails half way", () => {
  test("by kill -9 before each change of a file, is completed by the same line or undone by `leave`", async () => {
    // With a draft, let in and not kept, and kept with the draft; or, in the long form, all.
    const steps = isLong ? Array.from({ length: 12 }, (_, index) => index + 1) : [2, 3, 6];
    const ends: boolean[] = [];
    for (const step of steps) {
      const line = await laptop.share();
      ends.push(
        (await runAndDie(desktop, { file: "joined.json", step }, "join", line)).code === null,
      );
      const left = readdirSync(desktop.path);
      if (left.includes("joined.json")) {
        await commandOf(desktop.path, "status");
      } else if (step % 2 === 0) {
        await commandOf(desktop.path, "join", line);
      } else {
        await tryCommand(desktop.path, "leave");
        expect(readdirSync(desktop.path)).toEqual([]);
        continue;
      }
      expect((await machines()).filter(({ isLetIn }) => isLetIn)).toHaveLength(1);
      await commandOf(desktop.path, "leave");
      expect(readdirSync(desktop.path)).toEqual([]);
      expect((await machines()).filter(({ isLetIn }) => isLetIn)).toEqual([]);
    }
    // The last ones of all come too late.
    expect(ends.slice(0, steps.indexOf(6) + 1)).not.toContain(false);
    if (isLong) expect(ends.at(-1)).toBe(false);
  });

  test("and a leave that does, by kill -9, are completed by the next `leave`", async () => {
    await commandOf(desktop.path, "join", await laptop.share());
    const died = await runAndDie(desktop, { file: "joined.json", step: 1 }, "leave");
    expect(died.code).toBe(null);
    expect(readdirSync(desktop.path)).toEqual(["joined.json"]);
    expect((await machines()).some(({ isLetIn }) => isLetIn)).toBe(false);
    const { stderr, stdout } = await commandOf(desktop.path, "leave");
    expect({ stderr, stdout }).toEqual({ stderr: "", stdout: expect.stringContaining("Left") });
    expect(readdirSync(desktop.path)).toEqual([]);
  });

  test("because nothing can be written, uses the line not up and leaves nothing", async () => {
    const line = await laptop.share();
    const command = [process.execPath, program, "join", line];
    const env = { PATH: process.env["PATH"], HOME: desktop.path, PEERLINE_HOME: desktop.path };
    const { code, stderr } = await run(
      "sh",
      ["-c", `ulimit -f 0; exec "$0" "$@"`, ...command],
      env,
    );
    expect(code).toBe(1);
    expect(stderr).toContain("cannot be written");
    expect(stderr).not.toContain(line.split("/")[3]?.split("#")[0]);
    expect(readdirSync(desktop.path)).toEqual([]);
    expect(await machines()).toEqual([]);
    await commandOf(desktop.path, "join", line);
  });

  test("because the broker went away, says so and makes no home", async () => {
    const line = await laptop.share();
    await laptop.killBroker("SIGKILL");
    const fresh = join(desktop.path, "new");
    expect((await tryCommand(fresh, "join", line)).stderr).toContain("Nothing was joined");
    expect(existsSync(fresh)).toBe(false);
  });
});

describe("a home joins once", () => {
  test("however many try at once, with one line or with several", async () => {
    const line = await laptop.share("--uses", "4");
    const others = await Promise.all([laptop.share(), laptop.share()]);
    const tried = [line, line, ...others].map((one) => tryCommand(desktop.path, "join", one));
    const codes = (await Promise.all(tried)).map(({ code }) => code);
    expect(codes.filter((code) => code === 0).length).toBeGreaterThanOrEqual(1);
    expect(await tryCommand(desktop.path, "status")).toMatchObject({ code: 0 });
    await eventually(async () =>
      expect((await machines()).filter(({ isLetIn }) => isLetIn)).toHaveLength(1),
    );
    await commandOf(desktop.path, "leave");
    expect(readdirSync(desktop.path)).toEqual([]);
  });

  test("and not its own broker, nor another one before it has left", async () => {
    const own = await laptop.share();
    const refused = await tryCommand(laptop.path, "join", own);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("own broker") });
    expect(existsSync(join(laptop.path, "joined.json"))).toBe(false);
    await commandOf(desktop.path, "join", own);
    const credential = credentialOf(desktop);
    await using other = await SharedHome.open();
    const second = await tryCommand(desktop.path, "join", await other.share());
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining("peerline leave") });
    expect(credentialOf(desktop)).toBe(credential);
  });

  test("and its own broker's mail waits until it leaves, which is said", async () => {
    const [api] = await desktop.startAll("api");
    await commandOf(desktop.path, "send", "api", "kept at home");
    await api[Symbol.asyncDispose]();
    const joined = await commandOf(desktop.path, "join", await laptop.share());
    expect(joined.stdout).toContain("This home's own broker was stopped");
    expect(joined.stdout).toContain("1 unread message stay there until `peerline leave`");
    expect(existsSync(join(desktop.path, "broker.sock"))).toBe(false);
    await commandOf(desktop.path, "leave");
    const again = await desktop.start("api");
    const { messages } = await again.facts("get_messages", { wait_ms: 1000 });
    expect(messages).toMatchObject([{ text: "kept at home" }]);
  });
});

/** Runs a command under kill -9: before the n-th change of this file, or of a draft of it. */
async function runAndDie(
  home: TestHome,
  { file, step }: { file: string; step: number },
  ...args: string[]
): ReturnType<typeof run> {
  const preload = `data:text/javascript,${encodeURIComponent(`
    import fs from "node:fs";
    import promises from "node:fs/promises";
    import { syncBuiltinESMExports } from "node:module";
    let left = ${step};
    for (const [module, name] of [[promises, "open"], [promises, "rename"], [promises, "link"], [promises, "unlink"], [promises, "rm"], [fs, "rmSync"]]) {
      const original = module[name];
      module[name] = (...args) => {
        const isChange = name !== "open" || /[wa]/.test(String(args[1]));
        if (isChange && String(args[0]).includes(${JSON.stringify(file)}) && --left === 0) process.kill(process.pid, "SIGKILL");
        return original(...args);
      };
    }
    syncBuiltinESMExports();
  `)}`;
  const env = { PATH: process.env["PATH"], HOME: home.path, PEERLINE_HOME: home.path };
  return run(process.execPath, ["--import", preload, program, ...args], env);
}

async function machines(): Promise<{ name: string; isLetIn: boolean }[]> {
  const { stdout } = await laptop.command("machines", "--json");
  const { machines: found } = JSON.parse(stdout) as {
    machines: { name: string; revokeTime?: string }[];
  };
  return found.map(({ name, revokeTime }) => ({ name, isLetIn: revokeTime === undefined }));
}

/** Each file of a folder with its mode and its bytes. */
function contentsOf(folder: string): Record<string, readonly [mode: number, bytes: string]> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return Object.fromEntries(
    names.map((name) => {
      const path = join(folder, name);
      const bytes = lstatSync(path).isFile() ? readFileSync(path).toString("base64") : "";
      return [name, [statSync(path).mode & 0o777, bytes] as const];
    }),
  );
}
