import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { silent } from "../../contract/store/bell.js";
import { bob, send } from "../../contract/store/drafts.js";
import { openStore } from "./open-store.js";
import { acceptedIds, SenderProcess } from "./sender-process.js";
import { temporaryDatabase } from "./temporary-database.js";

test("after a failed write nothing more is taken until the store is opened again", async (context) => {
  const path = temporaryDatabase();
  const sender = await SenderProcess.start(path);
  const before = await sender.linesUntil((_line, index) => index >= 100);
  if (!limitFileSize(sender.pid, 16 * 1024)) context.skip("prlimit is not there");
  before.push(...(await sender.linesUntil((line) => line.startsWith("refused"))));
  expect(before.at(-1)).toBe("refused UNAVAILABLE writable=false");

  // Writes would succeed again from here on; that they do proves nothing of the one that failed.
  limitFileSize(sender.pid, "unlimited");
  const after = await sender.linesUntil((_line, index) => index >= 40);
  expect(new Set(after)).toEqual(new Set(["refused UNAVAILABLE writable=false"]));
  await sender.kill();

  const store = await openStore(path);
  const reader = store.openQueue(bob.peerId, silent);
  const messages = await reader.next({ maxMessages: 10_000, maxBytes: 1024 ** 3 });
  const stored = messages.map(({ message }) => message.messageId);
  expect(stored).toEqual(expect.arrayContaining(acceptedIds(before)));
  await send(store);
});

/** Makes writes beyond this size of a file fail (EFBIG), in a process that runs. */
function limitFileSize(pid: number, bytes: number | "unlimited"): boolean {
  try {
    execFileSync("prlimit", ["--pid", String(pid), `--fsize=${bytes}:unlimited`]);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}
