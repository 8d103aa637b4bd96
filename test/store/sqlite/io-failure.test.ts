import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { silent } from "../../contract/store/bell.js";
import { bob, send } from "../../contract/store/drafts.js";
import { compilePreload } from "../../faults/preload.js";
import { openStore } from "./open-store.js";
import { acceptedIds, SenderProcess } from "./sender-process.js";
import { temporaryDatabase } from "./temporary-database.js";

const folder = mkdtempSync(join(tmpdir(), "pl-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const preload = compilePreload("refuse-calls", folder);
const impossible = "impossible" in preload ? preload.impossible : undefined;
if (impossible !== undefined) console.warn(`skipped: failures of the disk, because ${impossible}`);

test.skipIf(impossible !== undefined).each([
  ["write", { FAULT_WRITE_ERRNO: "5" }],
  ["sync", { FAULT_SYNC_ERRNO: "5" }],
  ["sync, for want of room,", { FAULT_SYNC_ERRNO: "122" }],
  // What succeeds in the same batch, when its calls are tried one by one, is no better known.
  ["write, the only one,", { FAULT_WRITE_ERRNO: "5", FAULT_ONCE: "1" }],
  ["sync, the only one,", { FAULT_SYNC_ERRNO: "5", FAULT_ONCE: "1" }],
])(
  "after a failed %s nothing more is taken until the store is opened again",
  async (_what, faults) => {
    const path = temporaryDatabase();
    const { sender, fail, fix } = await startFailing(path, faults);
    const before = await sender.linesUntil((_line, index) => index >= 100);
    fail();
    before.push(...(await sender.linesUntil(isRefusedOrLate)));
    expect(before.at(-1)).toBe("refused UNAVAILABLE writable=false");

    // It would succeed again from here on; that it does proves nothing of what failed.
    fix();
    const after = await sender.linesUntil((_line, index) => index >= 40);
    expect(new Set(after)).toEqual(new Set(["refused UNAVAILABLE writable=false"]));
    await sender.kill();
    await expectStored(path, acceptedIds(before));
  },
);

test.skipIf(impossible !== undefined).each([
  ["a quota is used up", { FAULT_WRITE_ERRNO: "122" }],
  ["the disk has become read-only", { FAULT_WRITE_ERRNO: "30", FAULT_OPEN_ERRNO: "30" }],
])("when %s messages are refused as on a full disk, until there is room", async (_what, faults) => {
  const path = temporaryDatabase();
  const { sender, fail, fix } = await startFailing(path, faults);
  const before = await sender.linesUntil((_line, index) => index >= 100);
  fail();
  before.push(...(await sender.linesUntil((line) => line.startsWith("refused"))));
  expect(before.at(-1)).toMatch(/^refused FULL/);
  fix();
  before.push(...(await sender.linesUntil((line) => line.startsWith("accepted"))));
  before.push(...(await sender.kill()));
  await expectStored(path, acceptedIds(before));
});

test("where files may not grow further messages are refused as on a full disk", async (context) => {
  const path = temporaryDatabase();
  const sender = await SenderProcess.start(path);
  const before = await sender.linesUntil((_line, index) => index >= 100);
  if (!limitFileSize(sender.pid, 16 * 1024)) context.skip("prlimit is not there");
  before.push(...(await sender.linesUntil((line) => line.startsWith("refused"))));
  expect(before.at(-1)).toMatch(/^refused FULL/);
  limitFileSize(sender.pid, "unlimited");
  before.push(...(await sender.linesUntil((line) => line.startsWith("accepted"))));
  before.push(...(await sender.kill()));
  await expectStored(path, acceptedIds(before));
});

/** Whether the line is a refusal; or none has come for long. */
function isRefusedOrLate(line: string, index: number): boolean {
  return line.startsWith("refused") || index >= 2000;
}

/** A sender whose disk fails from `fail` to `fix`. */
async function startFailing(path: string, faults: Readonly<Record<string, string>>) {
  const switchPath = join(folder, `${dirname(path).split("/").at(-1)}.failing`);
  const sender = await SenderProcess.start(path, {
    ...faults,
    LD_PRELOAD: "path" in preload ? preload.path : "",
    FAULT_FOLDER: realpathSync(dirname(path)),
    FAULT_SWITCH: switchPath,
  });
  return {
    sender,
    fail: () => writeFileSync(switchPath, ""),
    fix: () => rmSync(switchPath, { force: true }),
  };
}

/** Opened again, the store has every message that it accepted, and takes more. */
async function expectStored(path: string, ids: readonly string[]): Promise<void> {
  const store = await openStore(path);
  const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
  const messages = await reader.next({ maxMessages: 10_000, maxBytes: 1024 ** 3 });
  expect(messages.map(({ message }) => message.messageId)).toEqual(
    expect.arrayContaining([...ids]),
  );
  await send(store);
}

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
