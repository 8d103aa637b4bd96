import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { BrokerService, Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { boxOfProcess } from "../../src/hosts/doorbell/box-folder.js";
import { createClient, openChannel } from "../../src/rpc/client.js";
import { TestHome } from "../mcp/test-home.js";
import { program, run } from "../support/program.js";
import { eventually, newSecret, TestStream } from "../support/test-broker.js";
import { commandOf, SharedHome, tryCommand } from "./shared-home.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 90_000 });

const scopes = ["agent", "observe", "operate"] as const;
type Scope = (typeof scopes)[number];

/** What a command has to say on its standard output; or, after `no`, why it is not done. */
type Answer = RegExp | { readonly no: RegExp };

const no = (words: RegExp): Answer => ({ no: words });
const narrow = no(
  /scope does not allow `peerline [a-z-]+`: run it on the broker's own machine, or run `peerline leave` here, and join with a line of `peerline share --scope operate` there/,
);
const elsewhere = no(/another machine.*: stop it there|share that one on its own machine/);

/**
 * Every command of the program, on a machine that has joined, by its scope: `$ID` is a dead letter's id, `$PEER` a peer of its own. Where
 * one outcome stands, the scope makes no difference and one is tried.
 */
const table: readonly (readonly [
  command: string,
  outcome: Answer | Readonly<Record<Scope, Answer>>,
])[] = [
  [
    "status",
    {
      agent: /joined +as \S+, scope agent: log shows your own/,
      observe: /scope observe: it changes nothing/,
      operate: /scope operate$/m,
    },
  ],
  ["status --json", /"running":true/],
  ["peers", { agent: /api/, observe: /api/, operate: /api/ }],
  ["send api hello", { agent: /for api|to api/, observe: narrow, operate: /for api|to api/ }],
  ["read", { agent: /No messages for/, observe: narrow, operate: /No messages for/ }],
  ["log", { agent: /hello/, observe: /not for the desktop/, operate: /not for the desktop/ }],
  [
    "log --grep desktop",
    { agent: /No message fits/, observe: /not for the desktop/, operate: /not for the desktop/ },
  ],
  [
    "show $ID",
    {
      agent: no(/you neither sent nor received/),
      observe: /not for the desktop/,
      operate: /not for the desktop/,
    },
  ],
  [
    "dead-letters",
    { agent: /There are no dead letters/, observe: /given up/, operate: /given up/ },
  ],
  ["dead-letters redrive $ID", { agent: narrow, observe: narrow, operate: /waits for bot again/ }],
  [
    "dead-letters drop $ID",
    { agent: narrow, observe: narrow, operate: no(/it still waits for bot/) },
  ],
  ["mute bot", { agent: narrow, observe: narrow, operate: /bot may not send/ }],
  ["unmute bot", { agent: narrow, observe: narrow, operate: /bot may send/ }],
  ["purge --from bot", { agent: narrow, observe: narrow, operate: /Removed 0 unread/ }],
  ["forget $PEER --yes", { agent: narrow, observe: narrow, operate: /Forgot of-operate/ }],
  ["machines", { agent: narrow, observe: /observe +connected/, operate: /operate +connected/ }],
  ["machines revoke desktop", no(/run this there\. `peerline leave`/)],
  ["stop", elsewhere],
  ["share", elsewhere],
  ["share --status", elsewhere],
  ["share --off", elsewhere],
  ["join $LINE", no(/has joined the broker at .*: run `peerline leave` first/)],
  ["broker", no(/has joined the broker at .*, and starts none of its own/)],
  ["migrate --to nats://127.0.0.1:1", no(/has joined the broker at/)],
  ["config", /peers =/],
  ["install claude-code", /Claude Code/],
  ["uninstall claude-code", /Claude Code/],
  ["uninstall --purge --yes", no(/run `peerline leave` first/)],
  ["doctor", /it lets this machine in/],
  ["leave", /Left the broker at/],
];

let laptop: SharedHome;
const desktops = new Map<Scope, TestHome>();
let words: Readonly<Record<string, string>>;

beforeAll(async () => {
  laptop = await SharedHome.open();
  await laptop.startAll("api");
  for (const scope of scopes) {
    const desktop = await TestHome.open();
    await commandOf(desktop.path, "join", await laptop.share("--scope", scope));
    desktops.set(scope, desktop);
  }
  words = { $ID: await deadLetter(), $LINE: await laptop.share() };
});
afterAll(async () => {
  for (const desktop of desktops.values()) await desktop[Symbol.asyncDispose]();
  await laptop[Symbol.asyncDispose]();
});

describe("on a machine that has joined", () => {
  test("the table has every command", async () => {
    const { stdout } = await run(process.execPath, [program, "--help"], {});
    const [, list = ""] = stdout.split("Commands:");
    const [commands = ""] = list.split("Environment:");
    const names = [...commands.matchAll(/^ {2}([a-z-]+) {1,}/gm)].map(([, name]) => name);
    const tried = new Set(table.map(([command]) => command.split(" ")[0]));
    // A host starts `mcp`: see the agents below. The demo has a home of its own.
    const others = new Set(["help", "mcp", "demo"]);
    const missing = names.filter((name = "") => !others.has(name) && !tried.has(name));
    expect(missing).toEqual([]);
    expect(names.length).toBeGreaterThan(20);
  });

  // The machines go on side by side, and each does its commands in order.
  test.concurrent.each(scopes)(
    "of scope `%s`, each command does it, or says where it is done",
    async (scope) => {
      const home = desktops.get(scope)?.path ?? "";
      const wrong: unknown[] = [];
      for (const [command, outcome] of table) {
        const isSame = outcome instanceof RegExp || "no" in outcome;
        if (isSame && scope !== "agent" && command !== "leave") continue;
        const wanted = isSame ? outcome : outcome[scope];
        const args = command
          .split(" ")
          .map((word) => ({ ...words, $PEER: `of-${scope}` })[word] ?? word);
        const { code, stdout, stderr } = await tryCommand(home, ...args);
        const isDone = wanted instanceof RegExp;
        // The doctor finds no host here, which is no trouble of it.
        const fits = isDone
          ? wanted.test(stdout) && (code === 0 || command === "doctor")
          : code !== 0 && wanted.no.test(stderr) && stderr.trim().split("\n").length === 1;
        if (!fits || /defect/.test(stderr)) wrong.push({ command, code, stdout, stderr });
      }
      expect(wrong).toEqual([]);
      // None has made a database or a socket of its own.
      expect(readdirSync(home).filter((name) => /db|sock|log/.test(name))).toEqual([]);
    },
  );
});

test("what is not seen is said beside what is", async () => {
  await using desktop = await TestHome.open();
  await commandOf(desktop.path, "join", await laptop.share());
  const { stdout, stderr } = await commandOf(desktop.path, "log");
  expect(stdout).not.toContain("not for the desktop");
  expect(stderr).toContain("Only what you sent and were sent: this machine's scope is `agent`");
  const follow = await tryCommand(desktop.path, "log", "--follow");
  expect(follow).toMatchObject({ code: 1, stderr: expect.stringContaining("read --wait") });
});

test("`log --follow` of an observer and `read --wait` go on over a broker that was killed", async () => {
  await using observer = await TestHome.open();
  await commandOf(observer.path, "join", await laptop.share("--scope", "observe"));
  await using desktop = await TestHome.open();
  await commandOf(desktop.path, "join", await laptop.share());
  await using followed = await follow(observer, "log", "--follow", "-n", "0");
  await using reading = await follow(desktop, "read", "--wait");
  const person = await eventually(async () => {
    const { stdout } = await commandOf(desktop.path, "peers", "--json");
    const { peers } = JSON.parse(stdout) as {
      peers: { name: string; online: boolean; kind: string }[];
    };
    const found = peers.find(({ kind, online }) => kind === "PEER_KIND_PERSON" && online);
    expect(found).toBeDefined();
    return found?.name ?? "";
  });
  await laptop.command("send", person, "before the kill");
  await eventually(() => expect(followed.text()).toContain("before the kill"));
  await eventually(() => expect(reading.text()).toContain("before the kill"));
  await laptop.killBroker("SIGKILL");
  await laptop.command("send", person, "after the kill");
  await eventually(() => expect(followed.text()).toContain("after the kill"));
  await eventually(() => expect(reading.text()).toContain("after the kill"));
  expect(followed.text().match(/before the kill/g)).toHaveLength(1);
});

describe("an agent of a machine that has joined", () => {
  const session = "0d9c1a52-7a64-4bd5-9f5f-6a3c0b9f1e11";
  const script = join(import.meta.dirname, "../../src/hosts/doorbell/doorbell.sh");

  test("is told of mail by each hook of its host, and starts no broker when its own is away", async () => {
    await using desktop = await TestHome.open();
    await commandOf(desktop.path, "join", await laptop.share());
    const env = { CLAUDE_CODE_SESSION_ID: session };
    const web = await desktop.start("web", { clientName: "claude-code", env });
    const box = join(desktop.path, "doorbells", boxOfProcess(process.pid));
    await eventually(() => expect(existsSync(box)).toBe(true));
    const hook = (event: string): string => {
      const { status, stdout, stderr } = spawnSync(
        "sh",
        [script, "claude", event, `${process.pid}`],
        {
          env: {
            PATH: process.env["PATH"] ?? "",
            HOME: desktop.path,
            PEERLINE_HOME: desktop.path,
            ...env,
          },
          input: JSON.stringify({ session_id: session, hook_event_name: event }),
          encoding: "utf8",
        },
      );
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      return stdout === "" ? "" : JSON.parse(stdout).hookSpecificOutput.additionalContext;
    };
    await eventually(async () =>
      expect(await web.facts("list_peers")).toMatchObject({ peers: expect.any(Array) }),
    );
    for (const event of ["SessionStart", "UserPromptSubmit", "PostToolUse", "Stop"]) {
      await laptop.command("send", "web", `before ${event}`);
      await eventually(() => expect(existsSync(join(box, "bell"))).toBe(true));
      const told = [hook(event), hook("UserPromptSubmit")].filter((text) => text !== "");
      expect(told.join()).toMatch(/Peerline: \d+ unread from \S+.* Call get_messages\./);
      expect(told.join()).not.toContain("before");
      await eventually(async () => {
        const { messages } = await web.facts("get_messages");
        expect(messages.at(-1)?.text).toBe(`before ${event}`);
      });
    }
    await laptop.killBroker("SIGKILL");
    hook("UserPromptSubmit");
    expect(existsSync(join(desktop.path, "broker.sock"))).toBe(false);
    await laptop.command("send", "web", "after the kill");
    await eventually(() => expect(existsSync(join(box, "bell"))).toBe(true));
  });

  test("of scope `observe` is told at once that it may not talk, and where that is changed", async () => {
    await using desktop = await TestHome.open();
    await commandOf(desktop.path, "join", await laptop.share("--scope", "observe"));
    const agent = await desktop.start("web");
    expect(await agent.failure("send_message", { to: "api", message: "hi" })).toContain("scope");
    expect(agent.log).not.toMatch(/defect/i);
  });
});

interface Followed extends AsyncDisposable {
  readonly text: () => string;
}

/** A command that goes on until it is ended. */
async function follow(home: TestHome, ...args: string[]): Promise<Followed> {
  const env = { PATH: process.env["PATH"], HOME: home.path, PEERLINE_HOME: home.path };
  const child = spawn(process.execPath, [program, ...args], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const ended = once(child, "exit");
  return {
    text: () => text,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** The end of the id of a message of the laptop's person that the peer `bot` rejected. */
async function deadLetter(): Promise<string> {
  const channel = openChannel(`unix:${join(laptop.path, "broker.sock")}`);
  try {
    const anybody = createClient(BrokerService, channel);
    for (const scope of scopes) {
      await anybody.register({ secret: newSecret(), name: `of-${scope}`, instanceId: scope });
    }
    const { sessionToken } = await anybody.register({ secret: newSecret(), name: "bot" });
    const headers = { authorization: `Bearer ${sessionToken}` };
    const bot = createClient(BrokerService, channel, { headers: () => headers });
    const { stdout } = await laptop.command("send", "bot", "not for the desktop");
    const stream = new TestStream(bot, {});
    await stream.expect("started");
    const { deliveryId } = await stream.expect("delivery");
    await bot.ackMessages({ acks: [{ deliveryId, outcome: Outcome.REJECTED }] });
    await stream.cancel();
    return /id (\w{8})/.exec(stdout)?.[1] ?? "";
  } finally {
    channel.close();
  }
}
