import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { TestHome } from "../mcp/test-home.js";
import { git } from "../support/git.js";
import { eventually } from "../support/test-broker.js";
import { commandOf, openTwoHomes, SharedHome } from "./shared-home.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 90_000 });

let laptop: SharedHome;
let desktop: TestHome;

beforeEach(async () => {
  ({ laptop, desktop } = await openTwoHomes());
});

test("a name that is taken on one machine is found by its host on the other, in all that takes a name", async () => {
  const [api, web] = await laptop.startAll("api", "web");
  await commandOf(desktop.path, "join", await laptop.share(), "--name", "desktop");
  const there = await desktop.start("api");
  await there.facts("list_peers");
  expect((await web.facts("list_peers")).peers).toContainEqual(
    expect.objectContaining({ name: "api-2", host: "desktop" }),
  );
  const near = (await web.facts("list_peers")).peers.find(
    ({ name }: { name: string }) => name === "api",
  );
  expect(near.host).toBeUndefined();

  const sent = await web.facts("send_message", { to: "api@desktop", message: "to the desktop" });
  expect(sent.recipients).toMatchObject([{ name: "api-2" }]);
  const { messages } = await there.facts("get_messages", { wait_ms: 5000, from: "web" });
  expect(messages).toMatchObject([{ text: "to the desktop", from: { name: "web" } }]);
  expect(messages[0].from.host, "the laptop is another machine from there").toBeTruthy();

  await there.facts("send_message", { to: "web", message: "to the laptop" });
  await there.facts("send_message", { to: "api", message: "to the other api" });
  await eventually(async () =>
    expect((await web.facts("get_messages", { from: "api@desktop" })).messages).toMatchObject([
      { text: "to the laptop", from: { name: "api-2", host: "desktop" } },
    ]),
  );
  await eventually(async () =>
    expect((await api.facts("get_messages")).messages).toMatchObject([
      { text: "to the other api" },
    ]),
  );
  expect(await web.failure("send_message", { to: "web@desktop", message: "x" })).toContain(
    'no peer is named "web@desktop"',
  );

  const { stdout: log } = await laptop.command("log", "--peer", "api@desktop");
  expect(log).toContain("to the desktop");
  expect(log).not.toContain("to the other machine");
  const { stdout: said } = await commandOf(desktop.path, "send", "api@desktop", "from a person");
  expect(said).toContain("api-2");
  const { stdout: peers } = await laptop.command("peers");
  expect(peers).toMatch(/api-2 .*desktop:/);
  const { stdout: seenThere } = await commandOf(desktop.path, "peers");
  expect(seenThere).not.toContain("desktop:");
});

test("clones of one origin are one repository on two machines, and paths alone are not", async () => {
  const web = await laptop.start("web", {
    cwd: clone(laptop, "git@github.com:acme/shop.git"),
  });
  await web.facts("list_peers");
  await commandOf(desktop.path, "join", await laptop.share());
  const api = await desktop.start("api", {
    cwd: clone(desktop, "https://token@github.com/acme/shop"),
  });
  const stranger = await desktop.start("stranger", { cwd: laptop.path });
  await stranger.facts("list_peers");
  expect(await namesIn(api, "repository")).toEqual(["web"]);
  expect(await namesIn(web, "repository")).toEqual(["api"]);
  expect(await namesIn(web, "machine")).toEqual([]);
  expect(await namesIn(api, "machine")).toEqual(["stranger"]);
  expect(await namesIn(web, "directory")).toEqual([]);
});

/** Makes a checkout with this origin in a home, and resolves to its path. */
function clone(home: TestHome, url: string): string {
  const path = join(home.path, "work", "shop");
  mkdirSync(path, { recursive: true });
  git(path, "init", "-b", "main");
  git(path, "remote", "add", "origin", url);
  return path;
}

async function namesIn(
  agent: Awaited<ReturnType<TestHome["start"]>>,
  scope: string,
): Promise<string[]> {
  const { peers } = await agent.facts("list_peers", { scope });
  return peers.map(({ name }: { name: string }) => name);
}
