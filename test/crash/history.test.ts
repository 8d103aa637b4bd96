import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HistoryFile, readHistory, type Send } from "./history.js";
import { readLetter, writeLetter } from "./letter.js";
import { resume } from "./sender.js";

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "pl-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

test("what is recorded is in the file at once, in order, over all processes of a lineage", () => {
  for (const incarnation of [1, 2, 11]) {
    const file = new HistoryFile(folder, "w", incarnation);
    file.record(send("invoke", incarnation));
    file.record(send("ok", incarnation));
    expect([...readHistory(folder)].at(-1)).toEqual(send("ok", incarnation));
    file[Symbol.dispose]();
  }
  expect([...readHistory(folder, "w")].map(({ key }) => key)).toEqual(
    [1, 1, 2, 2, 11, 11].map((number) => `a/${number}`),
  );
  expect([...readHistory(folder, "other")]).toEqual([]);
});

test("an operation that was not written whole is not read", async () => {
  const file = new HistoryFile(folder, "w", 1);
  file.record(send("invoke", 1));
  file[Symbol.dispose]();
  await appendFile(join(folder, "w.00001.jsonl"), '{"act":"send","pha');
  expect([...readHistory(folder)]).toEqual([send("invoke", 1)]);
});

test("a killed sender goes on with what nobody answered, under the same id, and counts on", () => {
  const history = [send("invoke", 1), send("ok", 1), send("invoke", 2), send("unknown", 2)];
  const { counts, open } = resume([...history, send("invoke", 3)]);
  expect(counts).toEqual(new Map([["a", 3]]));
  expect(open.get("a")?.map(({ key, messageId }) => [key, messageId])).toEqual([
    ["a/2", "id of 2"],
    ["a/3", "id of 3"],
  ]);
});

test("a letter that was changed on its way is found out", () => {
  const text = writeLetter("a/1", ["b", "c"]);
  expect(readLetter(text)).toEqual({ key: "a/1", intact: true });
  expect(readLetter(text.slice(0, -1))).toEqual({ key: "a/1", intact: false });
  expect(readLetter("what is this")).toEqual({ key: "what is this", intact: false });
});

function send(phase: Send["phase"], number: number): Send {
  const about = { act: "send", phase, peer: "a", key: `a/${number}`, to: ["b"] } as const;
  return phase === "invoke" ? { ...about, messageId: `id of ${number}` } : about;
}
