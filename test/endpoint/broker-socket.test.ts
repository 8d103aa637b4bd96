import { getEventListeners, once } from "node:events";
import { unlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { probeSocket, waitForSocket } from "../../src/endpoint/broker-socket.js";
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

test("ends as soon as the socket is made", async () => {
  const path = join(temporaryDirectory(), "broker.sock");
  const startMs = Date.now();
  setTimeout(() => writeFileSync(path, ""), 50);
  await waitForSocket(path, 20_000, never);
  expect(Date.now() - startMs).toBeLessThan(10_000);
});

test("ends as soon as the socket is removed", async () => {
  const path = join(temporaryDirectory(), "broker.sock");
  writeFileSync(path, "");
  const startMs = Date.now();
  setTimeout(() => unlinkSync(path), 50);
  await waitForSocket(path, 20_000, never);
  expect(Date.now() - startMs).toBeLessThan(10_000);
});

test("ends when the time is up, also in a directory that cannot be watched", async () => {
  const directory = temporaryDirectory();
  for (const path of [["broker.sock"], ["missing", "broker.sock"]]) {
    const waited = waitForSocket(join(directory, ...path), 20, never);
    await expect(waited).resolves.toBeUndefined();
  }
});

test("rejects with the reason of an abort", async () => {
  const controller = new AbortController();
  const waited = waitForSocket(
    join(temporaryDirectory(), "broker.sock"),
    20_000,
    controller.signal,
  );
  setTimeout(() => controller.abort(new Error("enough")), 20);
  await expect(waited).rejects.toThrow("enough");
});
