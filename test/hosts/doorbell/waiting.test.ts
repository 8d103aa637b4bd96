import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { boxOfProcess } from "../../../src/hosts/doorbell/box-folder.js";
import { Home, line, nothing, ofProcess } from "./script-home.js";
import { poke, until } from "./waiter.js";

test("who waits prints one line for each bell, and ends with its host", async () => {
  await using home = await Home.make();
  const host = spawn("sleep", ["60"]);
  const box = home.box(boxOfProcess(host.pid ?? 0));
  await using waiter = await home.waiter("wait", host.pid ?? 0);
  for (const count of [1, 2]) {
    home.hang(box);
    expect(await poke(box)).toBe(true);
    await waiter.printed(`${line}\n`.repeat(count));
  }
  await poke(box, "\n");
  host.kill("SIGKILL");
  await once(host, "exit");
  await poke(box, "\n");
  expect(await waiter.ended()).toEqual({ code: 0, stderr: "" });
  expect(existsSync(box)).toBe(false);
});

test("who waits says nothing when a hook was faster", async () => {
  await using home = await Home.make();
  const box = home.box(ofProcess);
  await using waiter = await home.waiter("wait");
  await poke(box);
  home.hang(box);
  await poke(box);
  await waiter.printed(`${line}\n`);
});

test("who waits is told of what hung before", async () => {
  await using home = await Home.make();
  home.hang(home.box(ofProcess));
  await using waiter = await home.waiter("wait");
  await waiter.printed(`${line}\n`);
});

test("who waits leaves what hangs to the hooks while the host is busy", async () => {
  await using home = await Home.make();
  const box = home.box(ofProcess);
  writeFileSync(join(box, "turn"), "busy\n");
  home.hang(box);
  await using waiter = await home.waiter("wait");
  expect((await home.hook("claude", "PostToolUse")).stdout).toContain(line);
  expect(await waiter.stop()).toMatchObject({ stderr: "" });
});

test("who waits makes the folder when the host starts it before the adapter", async () => {
  await using home = await Home.make();
  await rm(home.path, { recursive: true });
  await using waiter = await home.waiter("wait");
  expect(existsSync(join(home.path, "doorbells", ofProcess, "waiter"))).toBe(true);
  expect(await waiter.stop()).toMatchObject({ stderr: "" });
  expect(existsSync(join(home.path, "doorbells", ofProcess))).toBe(false);
});

test("who waits leaves the folder to an adapter that has it", async () => {
  await using home = await Home.make();
  const box = home.box(ofProcess);
  writeFileSync(join(box, "adapter.pid"), `${process.pid}\n`);
  await using waiter = await home.waiter("wait");
  await waiter.stop();
  expect(existsSync(join(box, "adapter.pid"))).toBe(true);
  expect(existsSync(join(box, "waiter.pid"))).toBe(false);
  expect(await poke(box)).toBe(false);
});

test("who waits to wake Claude Code does it by ending with 2 and the line", async () => {
  await using home = await Home.make();
  const box = home.box(ofProcess);
  await using waiter = await home.waiter("rewake");
  home.hang(box);
  await poke(box);
  expect(await waiter.ended()).toEqual({ code: 2, stderr: `${line}\n` });
  expect(existsSync(join(box, "waiter"))).toBe(false);
});

test("who waits ends at once where nobody sits at the session, or somebody waits already", async () => {
  await using home = await Home.make();
  home.box(ofProcess);
  const rewake = (entrypoint: string) =>
    home.hook("claude", "rewake", { env: { CLAUDE_CODE_ENTRYPOINT: entrypoint } });
  expect(await rewake("sdk-cli")).toEqual(nothing);
  await using waiter = await home.waiter("wait");
  expect(await rewake("cli")).toEqual(nothing);
  expect(waiter.isEnded).toBe(false);
});

test("who waits takes the place of one that was killed", async () => {
  await using home = await Home.make();
  const box = home.box(ofProcess);
  await using killed = await home.waiter("rewake");
  await killed.stop("SIGKILL");
  await using waiter = await home.waiter("rewake");
  home.hang(box);
  await poke(box);
  expect(await waiter.ended()).toMatchObject({ code: 2 });
});

test("who waits by the hour takes the place of one that ends with a bell", async () => {
  await using home = await Home.make();
  const box = home.box(ofProcess);
  await using first = await home.waiter("rewake");
  await using second = await home.waiter("wait");
  home.hang(box);
  // Either may read what comes through the pipe; the first does not read twice.
  await until(async () => (await poke(box)) && first.isEnded);
  expect(existsSync(join(box, "bell"))).toBe(false);
  expect(readFileSync(join(box, "waiter.pid"), "utf8").trim()).toBe(`${second.pid}`);
});
