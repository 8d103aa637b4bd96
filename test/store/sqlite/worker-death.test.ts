import { expect, test } from "vitest";
import { peersOf } from "../../contract/store/records.js";
import { draft, send } from "../../contract/store/drafts.js";
import { workerUrl } from "./built-worker.js";
import { openStore } from "./open-store.js";
import { temporaryDatabase } from "./temporary-database.js";
import { workerProgram } from "./worker-program.js";

const deaths = {
  ends: "process.exit(1)",
  throws: "throw new Error('died')",
};

test.each(Object.entries(deaths))("every call fails when the worker %s", async (_how, death) => {
  const path = temporaryDatabase();
  const store = await openStore(path, { workerUrl: mortalWorker(path, death) });
  await send(store);
  const calls = Array.from({ length: 10 }, () => send(store));
  for (const call of await Promise.allSettled([...calls, peersOf(store)])) {
    expect(call).toMatchObject({ status: "rejected", reason: { code: "UNAVAILABLE" } });
  }
  const later = draft();
  await expect(store.queues.enqueue(later, later.to)).rejects.toMatchObject({
    code: "UNAVAILABLE",
  });
  expect(await store.health()).toMatchObject({ writable: false });
  await store[Symbol.asyncDispose]();
  await send(await openStore(path));
});

test("a worker that dies before it opened the database is said", async () => {
  const path = temporaryDatabase();
  for (const death of Object.values(deaths)) {
    const stillborn = workerProgram(path, death);
    const opening = openStore(path, { workerUrl: stillborn });
    await expect(opening).rejects.toMatchObject({ code: "UNAVAILABLE" });
  }
});

/** The built worker, with a death in place of its answer to a batch that asks for the peers. */
function mortalWorker(path: string, death: string): URL {
  return workerProgram(
    path,
    `import { parentPort } from "node:worker_threads";
    const answer = parentPort.postMessage.bind(parentPort);
    let isDoomed = false;
    parentPort.on("message", (batch) => {
      isDoomed = JSON.stringify(batch).includes("loadPeers");
    });
    parentPort.postMessage = (message) => {
      if (isDoomed) ${death};
      answer(message);
    };
    await import(${JSON.stringify(workerUrl.href)});`,
  );
}
