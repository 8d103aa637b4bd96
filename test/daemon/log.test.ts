import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LogFile, openLog, redact } from "../../src/daemon/log.js";
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

test("a line is in the file when write returns, and only the user can read it", () => {
  const path = join(temporaryDirectory(), "broker.log");
  const file = new LogFile(path, 1000);
  file.write("one\n");
  expect(readFileSync(path, "utf8")).toBe("one\n");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  file[Symbol.dispose]();
});

test("goes on after what an earlier process wrote", () => {
  const path = join(temporaryDirectory(), "broker.log");
  for (const line of ["one\n", "two\n"]) {
    const file = new LogFile(path, 1000);
    file.write(line);
    file[Symbol.dispose]();
  }
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
});

test("never takes more than two files of the given size, and keeps the newest lines", () => {
  const directory = temporaryDirectory();
  const path = join(directory, "broker.log");
  const file = new LogFile(path, 100);
  for (let number = 1000; number < 1100; number++) {
    file.write(`line ${number}\n`);
    expect(statSync(path).size).toBeLessThanOrEqual(100);
  }
  file[Symbol.dispose]();
  expect(readdirSync(directory).toSorted()).toEqual(["broker.log", "broker.log.1"]);
  expect(statSync(path).mode & 0o777, "of the file that was begun anew").toBe(0o600);
  const kept = readFileSync(`${path}.1`, "utf8") + readFileSync(path, "utf8");
  expect(kept.length).toBeGreaterThan(100);
  expect(kept.endsWith("line 1098\nline 1099\n")).toBe(true);
});

test("counts what was there before it was opened", () => {
  const path = join(temporaryDirectory(), "broker.log");
  for (let times = 0; times < 3; times++) {
    const file = new LogFile(path, 100);
    file.write(`${"x".repeat(59)}\n`);
    file[Symbol.dispose]();
  }
  expect(statSync(path).size).toBe(60);
  expect(statSync(`${path}.1`).size).toBe(60);
});

test("drops a line rather than fail or grow when it cannot begin a new file", () => {
  const path = join(temporaryDirectory(), "broker.log");
  mkdirSync(join(`${path}.1`, "in-the-way"), { recursive: true });
  const file = new LogFile(path, 10);
  file.write("12345678\n");
  file.write("dropped\n");
  expect(readFileSync(path, "utf8")).toBe("12345678\n");
  file[Symbol.dispose]();
});

test("drops what is written after its end", () => {
  const path = join(temporaryDirectory(), "broker.log");
  const file = new LogFile(path, 1000);
  file[Symbol.dispose]();
  file[Symbol.dispose]();
  file.write("late\n");
  expect(readFileSync(path, "utf8")).toBe("");
});

test("a named pipe in its place is refused at once, by its name", () => {
  const path = join(temporaryDirectory(), "broker.log");
  execFileSync("mkfifo", [path]);
  expect(() => new LogFile(path, 1000)).toThrow(`${path} is no regular file. Move it away.`);
});

test("leaves out credentials and words, whatever the depth", () => {
  const request = {
    secret: "s",
    keyring: ["a"],
    deep: { deeper: [{ sessionToken: "t", text: "hi" }] },
  };
  const line = redact({ token: "t", authorization: "Bearer t", data: { a: 1 }, request });
  expect(line).toEqual({
    token: "[redacted]",
    authorization: "[redacted]",
    data: "[redacted]",
    request: {
      secret: "[redacted]",
      keyring: "[redacted]",
      deep: { deeper: [{ sessionToken: "[redacted]", text: "[redacted]" }] },
    },
  });
});

test("keeps what an operator needs", () => {
  const fields = { peer: "api", count: 3, seq: 7n, ok: true, none: null, names: ["a", "b"] };
  expect(redact(fields)).toEqual(fields);
});

test("tells of an error its type, code, message, stack and causes, and no other field", () => {
  const cause = Object.assign(new Error("disk"), { code: "EIO" });
  const error = Object.assign(new Error("failed", { cause }), { request: { text: "hi" } });
  const { err } = redact({ err: error });
  expect(err).toMatchObject({ message: "failed", cause: { message: "disk", code: "EIO" } });
  expect(JSON.stringify(err)).not.toContain("hi");
});

test("tells all errors of an aggregate", () => {
  const error = new AggregateError([new Error("one"), new Error("two")], "both");
  expect(redact({ err: error })).toMatchObject({
    err: { message: "both", errors: [{ message: "one" }, { message: "two" }] },
  });
});

test("ends where a value contains itself", () => {
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  expect(JSON.stringify(redact({ loop }))).toContain("[deep]");
});

test("does not change what it was given", () => {
  const fields = { request: { secret: "s" } };
  redact(fields);
  expect(fields.request.secret).toBe("s");
});
