import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { boxOfProcess } from "../../src/hosts/doorbell/box-folder.js";
import type { Agent } from "../mcp/agent.js";
import { eventually } from "../support/test-broker.js";
import { cannotLink, VirtualLink } from "../support/virtual-link.js";
import { Dialogue } from "./dialogue.js";
import { LinkedHome } from "./linked-home.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 180_000 });

if (cannotLink !== undefined) console.warn(`skipped: two machines, because ${cannotLink}`);

/** A few seconds are noticed by nobody; PEERLINE_LONG_CUT=1 cuts for so long that both sides take the other for lost. */
const isLong = process.env["PEERLINE_LONG_CUT"] === "1";
const cutMs = isLong ? 30_000 : 3_000;

let link: VirtualLink;
let laptop: LinkedHome;
let desktop: LinkedHome;
let api: Agent;
let web: Agent;
let dialogue: Dialogue;

beforeEach(async () => {
  if (cannotLink !== undefined) return;
  link = await VirtualLink.open();
  laptop = await LinkedHome.at(link.laptop);
  desktop = await LinkedHome.at(link.desktop);
  await laptop.shareWith(desktop);
  // Its host's hooks are met by the process that started it.
  const env = { CLAUDE_CODE_SESSION_ID: "0d9c1a52-7a64-4bd5-9f5f-6a3c0b9f1e11" };
  api = await laptop.start("api");
  web = await desktop.start("web", { clientName: "claude-code", env });
  dialogue = new Dialogue({ api, web });
  await eventually(async () => expect(await seenBy(api)).toEqual({ web: true }));
  await eventually(async () => expect(await seenBy(web)).toEqual({ api: true }));
});
afterEach(async () => {
  if (cannotLink !== undefined) return;
  await desktop[Symbol.asyncDispose]();
  await laptop[Symbol.asyncDispose]();
  await link[Symbol.asyncDispose]();
});

test.skipIf(cannotLink !== undefined)(
  "two machines exchange messages and doorbells, also when the broker is killed",
  async () => {
    // A result of its own would tell it, too.
    await dialogue.send("api", "web", "hello");
    const bell = join(desktop.path, "doorbells", boxOfProcess(process.pid), "bell");
    await eventually(() => expect(existsSync(bell)).toBe(true));
    await dialogue.isWhole();
    await dialogue.round("before");
    await laptop.killBroker("SIGKILL");
    await dialogue.round("after");
    await dialogue.isWhole();
    expect(existsSync(join(desktop.path, "peerline.db"))).toBe(false);
    // Each call tries again, and the log says it once.
    const troubles = web.log.match(/not connected: .*/g) ?? [];
    expect(troubles.length).toBeGreaterThan(0);
    expect(troubles.filter((trouble, index) => trouble === troubles[index - 1])).toEqual([]);
  },
);

test.skipIf(cannotLink !== undefined)(
  `a link that is cut for ${cutMs / 1000} s loses nothing, and shows nothing twice unmarked`,
  async () => {
    await dialogue.round("before");
    await dialogue.hear();
    const waited = dialogue.wait("web", 20_000);
    await link.cut();
    const rounds = Promise.all([dialogue.round("meanwhile"), dialogue.round("too")]);
    if (isLong) await noteWhatIsSeen(cutMs);
    else await sleep(cutMs);
    await link.restore();
    const backMs = Date.now();
    await rounds;
    await waited;
    await dialogue.isWhole();
    console.log(`all was sent and read ${Date.now() - backMs} ms after the link was back`);
    await eventually(async () => expect(await seenBy(api)).toEqual({ web: true }));
  },
);

/** Both sides notice the cut, and say so: the one by an error, the other by who is online. */
async function noteWhatIsSeen(spanMs: number): Promise<void> {
  const startMs = Date.now();
  const elapsedMs = (): number => Date.now() - startMs;
  const refusals: string[] = [];
  const ask = async (): Promise<void> => {
    while (elapsedMs() < spanMs) {
      const askedMs = elapsedMs();
      const refusal = await web.failure("list_peers");
      expect(refusal).toContain("cannot be reached");
      refusals.push(`asked at ${askedMs} ms, told after ${elapsedMs() - askedMs} ms: ${refusal}`);
      await sleep(1_000);
    }
  };
  const look = async (): Promise<void> => {
    await eventually(async () => expect(await seenBy(api)).toEqual({ web: false }), spanMs);
    refusals.push(`the other side saw it offline at ${elapsedMs()} ms`);
  };
  await Promise.all([ask(), look(), sleep(spanMs)]);
  console.log(refusals.join("\n"));
}

/** The peers that an agent sees, and whether they are online. */
async function seenBy(agent: Agent): Promise<Record<string, boolean>> {
  const { peers } = (await agent.facts("list_peers")) as {
    peers: { name: string; online: boolean }[];
  };
  return Object.fromEntries(peers.map(({ name, online }) => [name, online]));
}
