import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openLog } from "../../src/daemon/log.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";

test("writes one JSON object per line, with level, time and pid, and without secrets", () => {
  const path = join(temporaryDirectory(), "broker.log");
  const log = openLog(path);
  log.logger.info({ peer: "api", request: { secret: "hush" } }, "registered");
  log.logger.error({ err: Object.assign(new Error("boom"), { text: "hush" }) }, "failed");
  log[Symbol.dispose]();
  const [first, second] = readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(first).toMatchObject({ level: "info", pid: process.pid, peer: "api", msg: "registered" });
  expect(Date.parse(first.time)).toBeGreaterThan(Date.now() - 60_000);
  expect(second).toMatchObject({ level: "error", err: { message: "boom" }, msg: "failed" });
  expect(readFileSync(path, "utf8")).not.toContain("hush");
});
