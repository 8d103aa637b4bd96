import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { isPlainStart } from "../../src/cli/doctor/plain-start.js";
import { program } from "../support/program.js";

const folder = dirname(dirname(program));
const places = { home: folder, settings: folder, programs: [], pathIn: () => undefined };

// What is in the root's own folders did not come with a project.
test.each([
  ["is plain", tmpdir(), true],
  ["is plain", "/", true],
  ["may be anything", folder, false],
])("another Peerline %s for a project at %s", (_what, project, isPlain) => {
  const entry = { command: process.execPath, args: [program, "mcp"], env: {} };
  expect(isPlainStart(entry, { program: "/elsewhere/peerline.js", project, places })).toBe(isPlain);
});
