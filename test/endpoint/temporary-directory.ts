import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** An empty directory of this test, with a path short enough for a socket; removed when the test ends. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "pl-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
