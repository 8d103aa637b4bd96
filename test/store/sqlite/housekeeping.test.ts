import { expect, test } from "vitest";
import { send } from "../../contract/store/drafts.js";
import { listTexts } from "../../contract/store/history.js";
import { StoppedClock } from "../../support/stopped-clock.js";
import { workerUrl } from "./built-worker.js";
import { openStore } from "./open-store.js";
import { temporaryDatabase } from "./temporary-database.js";
import { workerProgram } from "./worker-program.js";
import { eventually } from "../../support/test-broker.js";

test("a defect of housekeeping is told, and stops nothing", async () => {
  const path = temporaryDatabase();
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const defects: unknown[] = [];
  const store = await openStore(path, {
    clock,
    limits: { pruneIntervalMs: 1000 },
    workerUrl: workerThatCannotPrune(path),
    onDefect: (error) => defects.push(error),
  });
  await eventually(() => expect(defects).toHaveLength(1));
  expect(defects[0]).toMatchObject({ message: "a defect of pruning" });
  await send(store, { text: "1" });
  clock.advance(1001);
  await send(store, { text: "2" });
  await eventually(() => expect(defects).toHaveLength(2));
  expect(await listTexts(store)).toEqual(["2", "1"]);
});

test("the next round comes in time though the clock is set back", async () => {
  const path = temporaryDatabase();
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const rounds: unknown[] = [];
  const store = await openStore(path, {
    clock,
    limits: { pruneIntervalMs: 1000 },
    workerUrl: workerThatCannotPrune(path),
    onDefect: (error) => rounds.push(error),
  });
  await eventually(() => expect(rounds).toHaveLength(1));
  clock.setForward(-3_600_000);
  clock.advance(1001);
  await send(store);
  await eventually(() => expect(rounds).toHaveLength(2));
});

test("housekeeping that the close interrupts is no defect", async () => {
  const path = temporaryDatabase();
  const defects: unknown[] = [];
  for (let round = 0; round < 3; round += 1) {
    const store = await openStore(path, { onDefect: (error) => defects.push(error) });
    await store[Symbol.asyncDispose]();
  }
  expect(defects).toEqual([]);
});

/** The built worker, but that it answers every call to prune with a defect. */
function workerThatCannotPrune(path: string): URL {
  return workerProgram(
    path,
    `import { parentPort } from "node:worker_threads";
    const answer = parentPort.postMessage.bind(parentPort);
    let batch = [];
    parentPort.on("message", (calls) => { batch = calls; });
    parentPort.postMessage = (message) => {
      if (!Array.isArray(message)) return answer(message);
      const defect = { ok: false, code: undefined, message: "a defect of pruning" };
      answer(message.map((outcome, at) => (batch[at].operation === "prune" ? defect : outcome)));
    };
    await import(${JSON.stringify(workerUrl.href)});`,
  );
}
