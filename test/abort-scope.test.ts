import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { AbortScope } from "../src/abort-scope.js";
import { buildProgram } from "./support/build-program.js";

describe("AbortScope", () => {
  test("ends when its time is over, and says so", () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    using scope = new AbortScope([new AbortController().signal], 100);
    vi.advanceTimersByTime(99);
    expect(scope.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(scope.signal.reason).toMatchObject({ name: "TimeoutError" });
    expect(scope.isTimeUp).toBe(true);
  });

  test("ends with the first of its signals, for that one's reason", () => {
    const [first, second] = [new AbortController(), new AbortController()];
    using scope = new AbortScope([first.signal, second.signal], 10_000);
    const reason = new Error("enough");
    second.abort(reason);
    first.abort(new Error("late"));
    expect(scope.signal.reason).toBe(reason);
    expect(scope.isTimeUp).toBe(false);
  });

  test("has ended from the beginning where a signal had", () => {
    const reason = new Error("before");
    using scope = new AbortScope([new AbortController().signal, AbortSignal.abort(reason)], 10);
    expect(scope.signal.reason).toBe(reason);
  });

  test("ends what still runs when it is disposed of, and leaves no timer and no listener", () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const parent = new AbortController();
    const removed = vi.spyOn(parent.signal, "removeEventListener");
    const scope = new AbortScope([parent.signal], 100);
    scope[Symbol.dispose]();
    expect(scope.signal.aborted).toBe(true);
    expect(scope.isTimeUp).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
    expect(removed).toHaveBeenCalledOnce();
  });

  test("a thousand on one signal draw no warning", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    onTestFinished(() => void process.off("warning", onWarning));
    const parent = new AbortController();
    const scopes = Array.from({ length: 1000 }, () => new AbortScope([parent.signal]));
    await new Promise((resolve) => setImmediate(resolve));
    parent.abort();
    expect(scopes.every(({ signal }) => signal.aborted)).toBe(true);
    expect(warnings).toEqual([]);
  });

  test("ends in time though only its signal is referred to, and garbage is collected meanwhile", async () => {
    const folder = mkdtempSync(join(tmpdir(), "pl-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = await buildProgram(new URL("abort-scope-program.ts", import.meta.url), folder);
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, ["--expose-gc", file]);
    expect(stdout).toBe("TimeoutError\n");
  });
});
