import { getEventListeners, once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { probeSocket } from "../../src/endpoint/probe-socket.js";
import { temporaryDirectory } from "./temporary-directory.js";

const never = new AbortController().signal;

test("tells a listening process from its absence", async () => {
  const path = join(temporaryDirectory(), "broker.sock");
  expect(await probeSocket(path, never)).toBe(false);
  const server = createServer().listen(path);
  await once(server, "listening");
  expect(await probeSocket(path, never)).toBe(true);
  server.close();
  await once(server, "close");
  expect(await probeSocket(path, never)).toBe(false);
});

test("takes a file that nobody listens on for an absence", async () => {
  const path = join(temporaryDirectory(), "broker.sock");
  writeFileSync(path, "");
  expect(await probeSocket(path, never)).toBe(false);
});

test("refuses a path that no process can listen on", async () => {
  const file = join(temporaryDirectory(), "file");
  writeFileSync(file, "");
  await expect(probeSocket(join(file, "broker.sock"), never)).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
    message: expect.stringContaining("ENOTDIR"),
  });
});

test("rejects with the reason of an abort", async () => {
  const aborted = AbortSignal.abort(new Error("enough"));
  await expect(probeSocket("/nowhere/broker.sock", aborted)).rejects.toThrow("enough");
});

test("leaves nothing on a signal that lasts for many probes", async () => {
  const path = join(temporaryDirectory(), "broker.sock");
  const { signal } = new AbortController();
  for (let probe = 0; probe < 12; probe += 1) await probeSocket(path, signal);
  await expect.poll(() => getEventListeners(signal, "abort")).toEqual([]);
});
