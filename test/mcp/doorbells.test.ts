import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy, Urgency } from "../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import { systemClock } from "../../src/clock.js";
import type { WakeResult } from "../../src/hosts/host.js";
import { Doorbells } from "../../src/mcp/doorbells.js";
import {
  firstRepeatMs,
  gatherMs,
  hookMarginMs,
  maxRings,
  quietMs,
  wakeProofMs,
} from "../../src/mcp/limits.js";
import { Mail } from "../../src/mcp/mail.js";
import { eventually } from "../support/test-broker.js";
import { held } from "./held.js";

/** Time is moved by the tests; files and pipes are real. */
describe("Doorbells", () => {
  let home: string;
  let box: string;
  let mail: Mail;
  let doorbells: Doorbells;
  let woken: string[];
  let answer: WakeResult;
  let reaches: string[];

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    home = mkdtempSync(join(tmpdir(), "pl-"));
    box = join(home, "doorbells", "thread-1");
    woken = [];
    answer = "refused";
    reaches = [];
    mail = new Mail(systemClock);
    doorbells = new Doorbells({
      mail,
      clock: systemClock,
      wakers: [async (line) => (woken.push(line), answer)],
      onReach: (reach) => reaches.push(Reach[reach]),
    });
    doorbells.meetAt({ home, session: "thread-1", hostPid: undefined }, undefined);
  });

  afterEach(() => {
    doorbells.close();
    vi.useRealTimers();
    expect(existsSync(box), "the folder is left").toBe(false);
    rmSync(home, { recursive: true });
  });

  const bell = (): string | undefined =>
    existsSync(join(box, "bell")) ? readFileSync(join(box, "bell"), "utf8").trim() : undefined;

  /** What a hook does that shows the bell. */
  const take = (): void => renameSync(join(box, "bell"), join(box, "rung"));

  async function arrive(...options: Parameters<typeof held>): Promise<void> {
    mail.inbox.deliver(held(...options));
    await vi.advanceTimersByTimeAsync(0);
  }

  /** A hook of the host tells of its turn, and the adapter has noticed. */
  async function turn(word: "busy" | "idle"): Promise<void> {
    const noticed = vi.spyOn(mail.presentations, "hookRan");
    writeFileSync(join(box, "turn"), `${word}\n`);
    await vi.waitFor(() => expect(noticed).toHaveBeenCalled());
    noticed.mockRestore();
  }

  const readAll = async (): Promise<void> => {
    await doorbells.during(async () => mail.inbox.take(mail.inbox.list()));
  };

  test("a burst is one doorbell, which says how much there is", async () => {
    for (let count = 0; count < 100; count++) await arrive({ sender: count % 2 ? "api" : "web" });
    expect(bell()).toBeUndefined();
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(bell()).toBe("Peerline: 100 unread from web, api. Call get_messages.");
    take();
    for (let count = 0; count < 100; count++) await arrive();
    await vi.advanceTimersByTimeAsync(firstRepeatMs - 1);
    expect(bell(), "what is unread was told already").toBeUndefined();
  });

  test("while it hangs it is kept current", async () => {
    await arrive({ sender: "api" });
    await vi.advanceTimersByTimeAsync(gatherMs);
    await arrive({ sender: "web" });
    expect(bell()).toBe("Peerline: 2 unread from api, web. Call get_messages.");
  });

  test("reading silences it, and what comes later rings anew", async () => {
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs);
    await readAll();
    expect(bell()).toBeUndefined();
    await vi.advanceTimersByTimeAsync(100 * firstRepeatMs);
    expect(bell()).toBeUndefined();
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(bell()).toBeDefined();
  });

  test("mail that is read before it rings, or that expires, is not rung", async () => {
    await arrive();
    await readAll();
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(bell()).toBeUndefined();
    await arrive({ expiresAtMs: Date.now() + 1000 });
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(bell()).toBeDefined();
    await vi.advanceTimersByTimeAsync(1000);
    expect(bell()).toBeUndefined();
  });

  test("unanswered, it is repeated with growing waits, and then no more", async () => {
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs);
    const waits: number[] = [];
    let sinceMs = Date.now();
    for (let step = 0; step < 2000; step++) {
      if (bell() !== undefined) {
        waits.push(Math.round((Date.now() - sinceMs) / 1000));
        sinceMs = Date.now();
        take();
      }
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(waits).toEqual([0, 30, 60, 120, 240]);
    expect(waits).toHaveLength(maxRings);
  });

  test("a result of the agent's own call tells it, and puts the next doorbell off", async () => {
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs);
    await doorbells.during(async () => undefined);
    expect(bell()).toBeUndefined();
    await vi.advanceTimersByTimeAsync(firstRepeatMs - 1);
    expect(bell()).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(bell()).toBeDefined();
  });

  test("a call that waits for mail needs no doorbell, and wakes", async () => {
    let end: (() => void) | undefined;
    const waiting = doorbells.during(() =>
      doorbells.whileWaiting(() => new Promise<void>((resolve) => (end = resolve))),
    );
    expect(reaches).toEqual(["NEXT_TURN", "WAKES"]);
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(bell()).toBeUndefined();
    end?.();
    await waiting;
    expect(reaches).toEqual(["NEXT_TURN", "WAKES", "NEXT_TURN"]);
  });

  test("an idle session is woken by whoever waits for it, who takes the bell", async () => {
    await turn("idle");
    execFileSync("mkfifo", [join(box, "waiter")]);
    const pipe = openSync(join(box, "waiter"), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      await arrive();
      await vi.advanceTimersByTimeAsync(gatherMs);
      const poked = Buffer.alloc(16);
      expect(poked.toString("utf8", 0, readSync(pipe, poked))).toBe("bell\n");
      expect(bell()).toBeDefined();
      expect(woken).toEqual([]);
      expect(reaches.at(-1), "nothing came of it yet").toBe("NEXT_TURN");
      take();
      await readAll();
      expect(reaches.at(-1)).toBe("WAKES");
    } finally {
      closeSync(pipe);
    }
  });

  test("where nobody waits, the host's own command wakes it, and no hook repeats that", async () => {
    answer = "taken";
    await turn("idle");
    await arrive({ sender: "api" });
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(woken).toEqual(["Peerline: 1 unread from api. Call get_messages."]);
    expect(bell()).toBeUndefined();
    await doorbells.during(async () => undefined);
    expect(reaches.at(-1)).toBe("WAKES");
  });

  test("a wake that is refused leaves the bell for the next hook", async () => {
    await turn("idle");
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(woken).toHaveLength(1);
    expect(bell()).toBeDefined();
  });

  test("a session that was woken and did nothing counts as woken no more", async () => {
    answer = "taken";
    await turn("idle");
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs);
    await readAll();
    expect(reaches.at(-1)).toBe("WAKES");
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs + wakeProofMs + 4 * firstRepeatMs);
    expect(reaches.at(-1)).toBe("NEXT_TURN");
  });

  test("work under way is not woken, nor is a host that was quiet only for a moment", async () => {
    answer = "taken";
    await doorbells.during(async () => undefined);
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(woken).toEqual([]);
    await readAll();
    await vi.advanceTimersByTimeAsync(quietMs);
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(woken).toHaveLength(1);
    await readAll();
    await turn("busy");
    await vi.advanceTimersByTimeAsync(quietMs);
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(woken).toHaveLength(1);
    expect(bell()).toBeDefined();
  });

  test("mail that comes while the last hook of a turn runs wakes the session", async () => {
    answer = "taken";
    await turn("busy");
    await arrive();
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(woken).toEqual([]);
    await turn("idle");
    await eventually(() => expect(woken).toHaveLength(1));
  });

  test("what is only for information wakes nobody and waits for the next hook", async () => {
    answer = "taken";
    await turn("idle");
    await arrive({ urgency: Urgency.FYI });
    await vi.advanceTimersByTimeAsync(gatherMs);
    expect(woken).toEqual([]);
    expect(bell()).toBeDefined();
  });

  test("says stored until a call or a hook of the host was seen", async () => {
    expect(doorbells.reach).toBe(Reach.STORED);
    await turn("busy");
    expect(reaches).toEqual(["NEXT_TURN"]);
  });

  test("a hook that ran after a result was written confirms what it showed, one before does not", async () => {
    const reports: string[] = [];
    mail.open(async (acks) => {
      for (const { outcome, confirmedBy } of acks) {
        reports.push(`${Outcome[outcome ?? 0]} ${ConfirmedBy[confirmedBy ?? 0]}`);
      }
      return [];
    });
    vi.useRealTimers();
    const message = held();
    mail.inbox.deliver(message);
    await turn("busy");
    mail.presentations.show(1, undefined, [{ held: message, part: 0, isLast: true }]);
    mail.presentations.written(1);
    await eventually(() => expect(reports).toEqual(["PRESENTED UNSPECIFIED"]));
    await new Promise((resolve) => setTimeout(resolve, 2 * hookMarginMs));
    await turn("idle");
    await eventually(() => expect(reports).toContain("CONFIRMED HOOK"));
  });
});
