import { lstatSync, renameSync, rmSync, watch } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../clock.js";
import {
  assumedMark,
  conversationFile,
  isOwnBox,
  leaveBox,
  openBox,
  type BoxKey,
} from "./box-folder.js";
import { bellBytes, unwatchedLookMs } from "../limits.js";
import {
  createSmallFile,
  overwriteSmallFile,
  readSmallFile,
  tellWaiter,
  writeSmallFile,
} from "./box-files.js";

/** Whether the host works on a turn, as its hooks last told it. */
export type Turn = "busy" | "idle";

export interface BoxListener {
  /** A hook of the host took the bell, to show it to the model. */
  taken(): void;
  /** A hook told that the host is in another conversation than before; the box has its name. */
  moved(): void;
  /** A hook told that a turn began or ended, this long ago. */
  turned(turn: Turn, agoMs: number): void;
}

/**
 * The folder in which an adapter and the hooks of its host meet. `bell` is there while the agent is to be
 * told of mail at its next hook. `turn` says what the host is doing, and `conversation` which of its
 * conversations it is in. Behind the named pipe `waiter` somebody may wait to wake an idle session. The
 * hooks' side is `doorbell.sh`.
 */
export class DoorbellBox {
  readonly #path: string;
  readonly #listener: BoxListener;
  readonly #watch: Disposable;
  #isHung: boolean;
  #turn: { readonly word: Turn; readonly atMs: number } | undefined;
  #conversation: string | undefined;
  #assumed: string | undefined;

  /** Undefined where no folder can be had: the agent then hears of mail with its own calls alone. */
  static open(key: BoxKey, listener: BoxListener): DoorbellBox | undefined {
    const path = openBox(key);
    if (path === undefined) return undefined;
    return new DoorbellBox(path, listener);
  }

  private constructor(path: string, listener: BoxListener) {
    this.#path = path;
    this.#listener = listener;
    // One that was killed may have left it.
    this.#isHung = isThere(join(path, "bell"));
    this.#turn = this.#readTurn();
    this.#conversation = this.conversation;
    this.#watch = watchFolder(path, () => this.#look());
  }

  /** The agent's next hook takes this line: at most `bellBytes` with its end. */
  hang(line: string): void {
    try {
      if (!isOwnBox(this.#path)) return;
      writeSmallFile(join(this.#path, "bell.new"), padded(line));
      renameSync(join(this.#path, "bell.new"), join(this.#path, "bell"));
      this.#isHung = true;
    } catch {
      // The disk is full or the folder gone: the agent's own calls tell it of its mail.
    }
  }

  /** A hook that runs now finds nothing. */
  takeDown(): void {
    // With each answer: what does not hang costs no look at the disk.
    if (!this.#isHung) return;
    this.#isHung = false;
    try {
      if (isOwnBox(this.#path)) rmSync(join(this.#path, "bell"), { force: true });
    } catch {
      // What stands there is no bell.
    }
  }

  /**
   * The host's own name of the conversation that it is in, as its hooks told last. Before they did, it is
   * what this adapter assumes. What another adapter of the same program assumed does not count.
   */
  get conversation(): string | undefined {
    const text = readSmallFile(join(this.#path, conversationFile))?.text ?? "";
    const [told = "", mark] = text.split("\n");
    return mark === assumedMark ? this.#assumed : told.trim() || undefined;
  }

  /**
   * Writes which conversation the adapter assumes, if no hook has told one. A hook that then tells another one is
   * news.
   */
  assume(conversation: string): void {
    this.#assumed = conversation;
    try {
      createSmallFile(join(this.#path, conversationFile), `${conversation}\n${assumedMark}\n`);
    } catch {
      // A hook was faster, which knows better; or the disk is full.
    }
    this.#conversation = this.conversation;
  }

  get isHung(): boolean {
    return this.#isHung;
  }

  /** Changes the line of the bell that hangs. False where none hangs, or a hook has taken it. */
  renew(line: string): boolean {
    if (!this.#isHung) return false;
    try {
      overwriteSmallFile(join(this.#path, "bell"), padded(line));
      return true;
    } catch {
      return false;
    }
  }

  /** Tells whoever waits to wake the session to take the bell. False when nobody does. */
  poke(): boolean {
    return tellWaiter(this.#path, "bell");
  }

  close(): void {
    this.#watch[Symbol.dispose]();
    this.takeDown();
    tellWaiter(this.#path, "");
    leaveBox(this.#path);
  }

  /** Something changed in the folder. */
  #look(): void {
    if (this.#isHung && !isThere(join(this.#path, "bell"))) {
      this.#isHung = false;
      this.#listener.taken();
    }
    const { conversation } = this;
    if (conversation !== undefined && conversation !== this.#conversation) {
      this.#conversation = conversation;
      this.#listener.moved();
    }
    const turn = this.#readTurn();
    if (turn === undefined) return;
    // The file system's clock ticks in steps of milliseconds: the next turn may have the same time.
    if (turn.atMs === this.#turn?.atMs && turn.word === this.#turn.word) return;
    this.#turn = turn;
    this.#listener.turned(turn.word, Math.max(0, systemClock.now() - turn.atMs));
  }

  /** Undefined also while it is being written: then there is another change to come. */
  #readTurn(): { word: Turn; atMs: number } | undefined {
    const { text, atMs } = readSmallFile(join(this.#path, "turn")) ?? { text: "", atMs: 0 };
    const word = text.trim();
    return word === "busy" || word === "idle" ? { word, atMs } : undefined;
  }
}

/** Calls `look` after each change in the folder; now and then where the system has no watch to give. */
function watchFolder(path: string, look: () => void): Disposable {
  try {
    const watcher = watch(path, { persistent: false }, look).on("error", () => {});
    return { [Symbol.dispose]: () => watcher.close() };
  } catch {
    // The user's other programs have all that the system gives them.
    return repeat(look);
  }
}

function repeat(look: () => void): Disposable {
  let isOver = false;
  const again = (): Disposable =>
    systemClock.after(unwatchedLookMs, () => {
      look();
      if (!isOver) timer = again();
    });
  let timer = again();
  return {
    [Symbol.dispose]() {
      isOver = true;
      timer[Symbol.dispose]();
    },
  };
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** Of one length always, so that it can be written over the line before, at once. */
function padded(line: string): string {
  return line.padEnd(bellBytes, "\n");
}
