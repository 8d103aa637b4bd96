import { unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { waitForSocket } from "../../src/endpoint/wait-for-socket.js";
import { temporaryDirectory } from "./temporary-directory.js";

const never = new AbortController().signal;

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
