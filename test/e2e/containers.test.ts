import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Agent } from "../mcp/agent.js";
import { TestHome } from "../mcp/test-home.js";
import { whyNot } from "../support/pid-namespace.js";
import { program, run } from "../support/program.js";
import { eventually } from "../support/test-broker.js";
import { Dialogue } from "./dialogue.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 180_000 });

/** The words before a command that runs in a container: it has processes and a network of its own, and the home at another place. */
function contained(home: string, place: string): string[] {
  const spaces = ["--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--uts", "--ipc"];
  const mount = 'mount --bind "$0" "$1" && shift && exec "$@"';
  return ["unshare", ...spaces, "sh", "-c", mount, home, place];
}

const cannotContain = whyNot(...contained("/tmp", "/tmp"), "true");
if (cannotContain !== undefined) console.warn(`skipped: containers, because ${cannotContain}`);

let home: TestHome;
/** Where the containers have the home. */
let place: string;

beforeEach(async () => {
  home = await TestHome.open();
  place = await mkdtemp(join(tmpdir(), "pl-"));
});
afterEach(async () => {
  await home[Symbol.asyncDispose]();
  await rm(place, { recursive: true, force: true });
});

test.skipIf(cannotContain !== undefined)(
  "an agent in a container talks over the mount, also when the broker outside is killed",
  async () => {
    const api = await home.start("api");
    await api.facts("list_peers");
    const web = await startInside("web");
    expect(await namesSeenBy(web)).toEqual(["api"]);
    expect(await broker("inside")).toEqual([0, `A broker already serves ${place}.\n`]);
    const dialogue = new Dialogue({ api, web });
    await dialogue.round("before");
    await home.killBroker("SIGKILL");
    await dialogue.round("after");
    await dialogue.isWhole();
    // Whichever side began the next one.
    expect(await broker("outside")).toEqual([0, `A broker already serves ${home.path}.\n`]);
    expect(await broker("inside")).toEqual([0, `A broker already serves ${place}.\n`]);
  },
);

test.skipIf(cannotContain !== undefined)(
  "a broker of a container serves those outside, and ends with the container, and nothing else does",
  async () => {
    const web = await startInside("web");
    await web.facts("list_peers");
    const status = await run(
      process.execPath,
      [program, "status", "--json"],
      environment("outside"),
    );
    expect(JSON.parse(status.stdout)).toMatchObject({ process: { place: "elsewhere" } });
    expect(await broker("outside")).toEqual([0, `A broker already serves ${home.path}.\n`]);
    const api = await home.start("api");
    expect(await namesSeenBy(api)).toEqual(["web"]);
    await new Dialogue({ api, web }).round("hello");
    await web[Symbol.asyncDispose]();
    await eventually(() => api.facts("send_message", { to: "web", message: "are you there?" }));

    const again = await startInside("web");
    const texts: string[] = [];
    await eventually(async () => {
      const { messages } = await again.facts("get_messages", { wait_ms: 300 });
      texts.push(...(messages as { text: string }[]).map(({ text }) => text));
      expect(texts.toSorted()).toEqual(["are you there?", "hello to web"]);
    });
  },
);

test.skipIf(cannotContain !== undefined)(
  "agents that start at once inside and outside have one broker",
  async () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    const agents = await Promise.all(
      names.map((name, index) => (index % 2 === 0 ? startInside(name) : home.start(name))),
    );
    await Promise.all(agents.map((agent) => agent.facts("list_peers")));
    for (const [index, agent] of agents.entries()) {
      const others = names.filter((name) => name !== names[index]);
      expect((await namesSeenBy(agent)).toSorted()).toEqual(others);
    }
  },
);

async function startInside(name: string): Promise<Agent> {
  return home.start(name, { by: contained(home.path, place), env: { PEERLINE_HOME: place } });
}

async function namesSeenBy(agent: Agent): Promise<string[]> {
  const { peers } = (await agent.facts("list_peers")) as { peers: { name: string }[] };
  return peers.map(({ name }) => name);
}

/** The exit code and the words of a broker that is started beside another. */
async function broker(where: "inside" | "outside"): Promise<[number | null, string]> {
  const words = [process.execPath, program, "broker"];
  const [command = "", ...args] =
    where === "inside" ? [...contained(home.path, place), ...words] : words;
  const { code, stderr } = await run(command, args, environment(where));
  return [code, stderr];
}

function environment(where: "inside" | "outside"): NodeJS.ProcessEnv {
  const path = where === "inside" ? place : home.path;
  return { PATH: process.env["PATH"], HOME: home.path, PEERLINE_HOME: path };
}
