import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Three on two cores: many tests wait, for the real processes that they start or for time.
    maxWorkers: 3,
    execArgv: ["--max-old-space-size=2048"],
    // CI runs on a shared machine, where a process may be held up for seconds. What fails once is
    // printed, what fails twice fails.
    retry: process.env["CI"] === undefined ? 0 : 1,
    // A test that asserts nothing, or returns before it does, fails.
    // What is waited for is waited for as long as a machine may take that is ten times as slow.
    expect: { requireAssertions: true, poll: { timeout: 60_000 } },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
