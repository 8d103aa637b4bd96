import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { StoreError } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import { storeLimits } from "../../../src/store/limits.js";
import { openNatsStore } from "../../../src/store/nats/nats-store.js";
import { bob, draft, send } from "../../contract/store/drafts.js";
import { listTexts } from "../../contract/store/history.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { eventually } from "../../support/test-broker.js";
import { optionsFor, startServer } from "./open-link.js";

describe.skipIf(isNatsMissing())("an engine that lacks what it had", () => {
  test("is not served from what is known of it: the store says so, and the next one reads what is left", async () => {
    const server = await startServer();
    const broken: StoreError[] = [];
    const open = async () => {
      const store = await openNatsStore({
        nats: optionsFor(server),
        version: "1.2.3",
        clock: systemClock,
        limits: { ...storeLimits, maxMailBytes: 16 * 1024 * 1024 },
        tell: () => {},
        onBroken: (error) => void broken.push(error),
      });
      onTestFinished(() => store[Symbol.asyncDispose]());
      return store;
    };
    const store = await open();
    await send(store, { text: "kept" });
    await server.stop();
    const backup = mkdtempSync(join(tmpdir(), "pl-"));
    onTestFinished(() => rmSync(backup, { recursive: true }));
    cpSync(server.storeFolder, backup, { recursive: true });
    await server.restart();
    const told: string[] = [];
    store.history.watch({
      accepted: ({ text }) => void told.push(text),
      moved: () => {},
    });
    for (const text of ["lost", "lost, too"]) await eventually(() => send(store, { text }));
    await eventually(() => expect(told).toContain("lost, too"));
    expect(broken).toEqual([]);

    await server.kill();
    rmSync(server.storeFolder, { recursive: true });
    cpSync(backup, server.storeFolder, { recursive: true });
    await server.restart();
    await eventually(() => expect(broken).toHaveLength(1));
    const sent = draft();
    await expect(store.queues.enqueue(sent, [bob])).rejects.toBe(broken[0]);
    expect(await store.health()).toMatchObject({ writable: false, problem: /lacks messages/ });
    expect(await listTexts(await open())).toEqual(["kept"]);
  }, 120_000);
});
