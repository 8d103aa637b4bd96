import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
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
import type { WakeResult } from "../../src/hosts/host.js";
import { Doorbells } from "../../src/mcp/doorbells.js";
import { firstRepeatMs, gatherMs, maxRings, quietMs, wakeProofMs } from "../../src/mcp/limits.js";
import { AgentMail } from "../../src/mcp/presentations.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { eventually } from "../support/test-broker.js";
import { held } from "../client/held.js";

/** Of a call that the host does not give up. */
const going = new AbortController().signal;

/** Time is moved by the tests; files and pipes are real. */
describe("Doorbells", () => {
  let clock: StoppedClock;
  let home: string;
  let box: string;
  let mail: AgentMail;
  let doorbells: Doorbells;
  let woken: string[];
  let answer: WakeResult;
  let beforeAnswer: () => Promise<void>;
  let reaches: string[];

  beforeEach(() => {
    clock = new StoppedClock();
    home = mkdtempSync(join(tmpdir(), "pl-"));
    box = join(home, "doorbells", "thread-1");
    woken = [];
    answer = "refused";
    beforeAnswer = async () => undefined;
    reaches = [];
    mail = new AgentMail(clock);
    doorbells = new Doorbells({
      mail,
      clock,
      wakers: [
        async (line) => {
          woken.push(line);
          await beforeAnswer();
          return answer;
        },
      ],
      onReach: (reach) => reaches.push(Reach[reach]),
      onMoved: () => undefined,
      contextNow: () => undefined,
    });
    doorbells.meetAt({ home, session: "thread-1", hostPid: process.pid });
  });

  afterEach(() => {
    doorbells.close();
    expect(existsSync(box), "the folder is left").toBe(false);
    rmSync(home, { recursive: true });
  });

  const bell = (): string | undefined =>
    existsSync(join(box, "bell")) ? readFileSync(join(box, "bell"), "utf8").trim() : undefined;

  /** What a hook does that shows the bell. */
  const take = (): void => renameSync(join(box, "bell"), join(box, "rung"));

  async function arrive(...options: Parameters<typeof held>): Promise<void> {
    mail.inbox.deliver(held(...options));
    await clock.pass(0);
  }

  /** A hook of the host tells of its turn, and the adapter has noticed. */
  async function turn(word: "busy" | "idle"): Promise<void> {
    const noticed = vi.spyOn(mail.presentations, "hookRan");
    writeFileSync(join(box, "turn"), `${word}\n`);
    await eventually(() => expect(noticed).toHaveBeenCalled());
    noticed.mockRestore();
  }

  const readAll = async (): Promise<void> => {
    await doorbells.during(async () => mail.inbox.take(mail.inbox.list()), going);
  };

  test("a burst is one doorbell, which says how much there is", async () => {
    for (let count = 0; count < 100; count++) await arrive({ sender: count % 2 ? "api" : "web" });
    expect(bell()).toBeUndefined();
    await clock.pass(gatherMs);
    expect(bell()).toBe("Peerline: 100 unread from web, api. Call get_messages.");
    take();
    for (let count = 0; count < 100; count++) await arrive();
    await clock.pass(firstRepeatMs - 1);
    expect(bell(), "what is unread was told already").toBeUndefined();
  });

  test("while it hangs it is kept current", async () => {
    await arrive({ sender: "api" });
    await clock.pass(gatherMs);
    await arrive({ sender: "web" });
    expect(bell()).toBe("Peerline: 2 unread from api, web. Call get_messages.");
  });

  test("reading silences it, and what comes later rings anew", async () => {
    await arrive();
    await clock.pass(gatherMs);
    await readAll();
    expect(bell()).toBeUndefined();
    await clock.pass(100 * firstRepeatMs);
    expect(bell()).toBeUndefined();
    await arrive();
    await clock.pass(gatherMs);
    expect(bell()).toBeDefined();
  });

  test("mail that is read before it rings, or that expires, is not rung", async () => {
    await arrive();
    await readAll();
    await clock.pass(gatherMs);
    expect(bell()).toBeUndefined();
    await arrive({ expiresAtMs: clock.now() + 1000 });
    await clock.pass(gatherMs);
    expect(bell()).toBeDefined();
    await clock.pass(1000);
    expect(bell()).toBeUndefined();
  });

  test("unanswered, it is repeated with growing waits, and then no more", async () => {
    await arrive();
    await clock.pass(gatherMs);
    const waits: number[] = [];
    let sinceMs = clock.now();
    for (let step = 0; step < 2000; step++) {
      if (bell() !== undefined) {
        waits.push(Math.round((clock.now() - sinceMs) / 1000));
        sinceMs = clock.now();
        take();
      }
      await clock.pass(1000);
    }
    expect(waits).toEqual([0, 30, 60, 120, 240]);
    expect(waits).toHaveLength(maxRings);
  });

  test("a result of the agent's own call tells it, and puts the next doorbell off", async () => {
    await arrive();
    await clock.pass(gatherMs);
    await doorbells.during(async () => undefined, going);
    expect(bell()).toBeUndefined();
    await clock.pass(firstRepeatMs - 1);
    expect(bell()).toBeUndefined();
    await clock.pass(1);
    expect(bell()).toBeDefined();
  });

  test("a call that waits for mail needs no doorbell, and wakes", async () => {
    let end: (() => void) | undefined;
    const waiting = doorbells.during(
      () => doorbells.whileWaiting(() => new Promise<void>((resolve) => (end = resolve))),
      going,
    );
    expect(reaches).toEqual(["NEXT_TURN", "WAKES"]);
    await arrive();
    await clock.pass(gatherMs);
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
      await clock.pass(gatherMs);
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
    await clock.pass(gatherMs);
    expect(woken).toEqual(["Peerline: 1 unread from api. Call get_messages."]);
    expect(bell()).toBeUndefined();
    await doorbells.during(async () => undefined, going);
    expect(reaches.at(-1), "a call that read nothing shows nothing").toBe("NEXT_TURN");
    await readAll();
    expect(reaches.at(-1)).toBe("WAKES");
  });

  test("a wake that is refused leaves the bell for the next hook", async () => {
    await turn("idle");
    await arrive();
    await clock.pass(gatherMs);
    expect(woken).toHaveLength(1);
    expect(bell()).toBeDefined();
  });

  test("a session that was woken and did nothing counts as woken no more", async () => {
    answer = "taken";
    await turn("idle");
    await arrive();
    await clock.pass(gatherMs);
    await readAll();
    expect(reaches.at(-1)).toBe("WAKES");
    await arrive();
    await clock.pass(gatherMs + wakeProofMs + 4 * firstRepeatMs);
    expect(reaches.at(-1)).toBe("NEXT_TURN");
  });

  test("work under way is not woken, nor is a host that was quiet only for a moment", async () => {
    answer = "taken";
    await doorbells.during(async () => undefined, going);
    await arrive();
    await clock.pass(gatherMs);
    expect(woken).toEqual([]);
    await readAll();
    await clock.pass(quietMs);
    await arrive();
    await clock.pass(gatherMs);
    expect(woken).toHaveLength(1);
    await readAll();
    await turn("busy");
    await clock.pass(quietMs);
    await arrive();
    await clock.pass(gatherMs);
    expect(woken).toHaveLength(1);
    expect(bell()).toBeDefined();
  });

  test("mail that comes while the last hook of a turn runs wakes the session", async () => {
    answer = "taken";
    await turn("busy");
    await arrive();
    await clock.pass(gatherMs);
    expect(woken).toEqual([]);
    await turn("idle");
    await eventually(() => expect(woken).toHaveLength(1));
  });

  test("what is only for information wakes nobody and waits for the next hook", async () => {
    answer = "taken";
    await turn("idle");
    await arrive({ urgency: Urgency.FYI });
    await clock.pass(gatherMs);
    expect(woken).toEqual([]);
    expect(bell()).toBeDefined();
  });

  test("an interrupt rings at once, also after doorbells that were not answered", async () => {
    await arrive({ urgency: Urgency.FYI });
    await clock.pass(gatherMs + firstRepeatMs * 2 ** maxRings);
    take();
    await arrive({ urgency: Urgency.FYI });
    await clock.pass(firstRepeatMs * 2 ** maxRings);
    expect(bell(), "what is only for information").toBeUndefined();
    await arrive({ urgency: Urgency.INTERRUPT });
    await clock.pass(gatherMs);
    expect(bell()).toContain("3 unread");
  });

  test("after the last doorbell, what comes rings once more in its time", async () => {
    await arrive();
    await clock.pass(gatherMs + firstRepeatMs * 2 ** maxRings);
    take();
    await arrive();
    await clock.pass(gatherMs);
    expect(bell()).toBeDefined();
    take();
    await arrive();
    await clock.pass(firstRepeatMs * 2 ** (maxRings - 1) - 1);
    expect(bell()).toBeUndefined();
    await clock.pass(1);
    expect(bell()).toBeDefined();
  });

  test("a line that the host has not taken up yet is not given to it again", async () => {
    answer = "taken";
    await turn("idle");
    await arrive();
    await clock.pass(gatherMs + firstRepeatMs * 2 ** maxRings);
    expect(woken).toHaveLength(1);
  });

  test("a call that the host gave up tells nobody", async () => {
    await arrive();
    await clock.pass(gatherMs);
    await doorbells.during(async () => undefined, AbortSignal.abort());
    expect(bell()).toBeDefined();
  });

  test("a wake that is refused after a result told of the mail hangs no bell", async () => {
    await turn("idle");
    beforeAnswer = () => doorbells.during(async () => undefined, going);
    await arrive();
    await clock.pass(gatherMs);
    expect(woken).toHaveLength(1);
    expect(bell()).toBeUndefined();
  });

  test("where nobody wakes it any more, the session counts as woken no more", async () => {
    answer = "taken";
    await turn("idle");
    await arrive();
    await clock.pass(gatherMs);
    await readAll();
    expect(reaches.at(-1)).toBe("WAKES");
    answer = "refused";
    await arrive();
    await clock.pass(gatherMs);
    expect(reaches.at(-1)).toBe("NEXT_TURN");
  });

  test("a session that seems busy is woken at the second doorbell, and proves nothing by it", async () => {
    await turn("busy");
    execFileSync("mkfifo", [join(box, "waiter")]);
    const pipe = openSync(join(box, "waiter"), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      await arrive();
      await clock.pass(gatherMs);
      expect(readSync(pipe, Buffer.alloc(16)), "its next hook tells it").toBe(0);
      await clock.pass(firstRepeatMs);
      expect(readSync(pipe, Buffer.alloc(16))).toBeGreaterThan(0);
      await readAll();
      expect(reaches.at(-1)).toBe("NEXT_TURN");
    } finally {
      closeSync(pipe);
    }
  });

  test("mail read long after a wake shows nothing", async () => {
    answer = "taken";
    await turn("idle");
    await arrive();
    await clock.pass(gatherMs + wakeProofMs + 1);
    await readAll();
    expect(reaches.at(-1)).toBe("NEXT_TURN");
  });

  test("reconnecting is no news", async () => {
    await arrive();
    await clock.pass(gatherMs + firstRepeatMs * 2 ** maxRings);
    take();
    for (let time = 0; time < 5; time++) mail.inbox.tellBacklog({ count: 0, senders: [] });
    await clock.pass(firstRepeatMs * 2 ** maxRings);
    expect(bell()).toBeUndefined();
  });

  test.each([
    ["a folder", (path: string) => mkdirSync(path)],
    ["a named pipe", (path: string) => execFileSync("mkfifo", [path])],
  ])("%s in the place of its files is no hindrance", async (_what, make) => {
    for (const name of ["bell", "bell.new", "turn"]) make(join(box, name));
    await arrive();
    await clock.pass(gatherMs);
    await readAll();
    expect(reaches).toEqual(["NEXT_TURN"]);
  });

  test("says stored until a call or a hook of the host was seen", async () => {
    expect(reaches, "stored, as a session begins").toEqual([]);
    await turn("busy");
    expect(reaches).toEqual(["NEXT_TURN"]);
  });

  test("a session is found idle, and waking proven, though the clock was set back meanwhile", async () => {
    answer = "taken";
    await doorbells.during(async () => undefined, going);
    clock.setForward(-3_600_000);
    await clock.pass(quietMs);
    await arrive();
    await clock.pass(gatherMs);
    expect(woken).toHaveLength(1);
    clock.setForward(3_600_000);
    await readAll();
    expect(reaches.at(-1)).toBe("WAKES");
  });

  test("a hook that ran after a result was written confirms what it showed, one before does not", async () => {
    const reports: string[] = [];
    mail.open(async (acks) => {
      for (const { outcome, confirmedBy } of acks) {
        reports.push(`${Outcome[outcome ?? 0]} ${ConfirmedBy[confirmedBy ?? 0]}`);
      }
      return [];
    });
    const message = held();
    mail.inbox.deliver(message);
    const beforeMs = clock.monotonic();
    clock.advance(1);
    mail.presentations.show(1, undefined, [{ held: message, part: 0, isLast: true }]);
    mail.presentations.written(1);
    await eventually(() => expect(reports).toEqual(["PRESENTED UNSPECIFIED"]));
    // The hook ran before that, and was noticed after it.
    mail.presentations.hookRan(undefined, beforeMs);
    // The hook's time is that of its file: so much may pass on a busy machine before it is noticed.
    await clock.pass(60_000);
    expect(reports).toEqual(["PRESENTED UNSPECIFIED"]);
    await turn("idle");
    await eventually(() => expect(reports).toContain("CONFIRMED HOOK"));
  });
});
