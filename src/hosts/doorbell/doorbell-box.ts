import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
  writeSync,
  type FSWatcher,
} from "node:fs";
import { join } from "node:path";
import { leaveBox, openBox, type BoxKey } from "./box-folder.js";
import { tellWaiter } from "./waiter.js";
import { bellBytes, maxTurnBytes } from "./limits.js";

/** Whether the host works on a turn, as its hooks last told it. */
export type Turn = "busy" | "idle";

export interface BoxListener {
  /** A hook of the host took the bell, to show it to the model. */
  taken(): void;
  /** A hook told that a turn began or ended. `atMs` is when, since the epoch. */
  turned(turn: Turn, atMs: number): void;
}

/**
 * The folder in which an adapter and the hooks of its host meet: `bell` is there while the agent is to be
 * told of mail at its next hook, `turn` says what the host is doing, and behind the named pipe `waiter`
 * somebody may wait to wake an idle session. The hooks' side is `doorbell.sh`.
 */
export class DoorbellBox {
  readonly #path: string;
  readonly #links: readonly string[];
  readonly #listener: BoxListener;
  readonly #watcher: FSWatcher;
  #isHung = false;
  #turnMs: number;

  /** Undefined where no folder can be had: the agent then hears of mail with its own calls alone. */
  static open(key: BoxKey, listener: BoxListener): DoorbellBox | undefined {
    const folder = openBox(key);
    if (folder === undefined) return undefined;
    try {
      return new DoorbellBox(folder.path, folder.links, listener);
    } catch {
      // The system's bound of watches is reached.
      leaveBox(folder);
      return undefined;
    }
  }

  private constructor(path: string, links: readonly string[], listener: BoxListener) {
    this.#path = path;
    this.#links = links;
    this.#listener = listener;
    this.#turnMs = this.#readTurn()?.atMs ?? 0;
    this.#watcher = watch(path, { persistent: false }, () => this.#look());
    this.#watcher.on("error", ignore);
  }

  /** The agent's next hook takes this line: at most `bellBytes` with its end. */
  hang(line: string): void {
    try {
      writeFileSync(join(this.#path, "bell.new"), padded(line), { mode: 0o600 });
      renameSync(join(this.#path, "bell.new"), join(this.#path, "bell"));
      this.#isHung = true;
    } catch {
      // The disk is full or the folder gone: the agent's own calls tell it of its mail.
    }
  }

  /** A hook that runs now finds nothing. */
  takeDown(): void {
    this.#isHung = false;
    rmSync(join(this.#path, "bell"), { force: true });
  }

  get isHung(): boolean {
    return this.#isHung;
  }

  /** Changes the line of the bell that hangs. One that a hook has taken meanwhile is not hung again. */
  renew(line: string): void {
    if (!this.#isHung) return;
    try {
      const bell = openSync(join(this.#path, "bell"), constants.O_WRONLY | constants.O_NOFOLLOW);
      try {
        writeSync(bell, padded(line), 0);
      } finally {
        closeSync(bell);
      }
    } catch {
      // It was taken.
    }
  }

  /** Tells whoever waits to wake the session to take the bell. False when nobody does. */
  poke(): boolean {
    return tellWaiter(this.#path, "bell");
  }

  close(): void {
    this.#watcher.close();
    this.takeDown();
    tellWaiter(this.#path, "");
    leaveBox({ path: this.#path, links: this.#links });
  }

  /** Something changed in the folder. */
  #look(): void {
    if (this.#isHung && statSync(join(this.#path, "bell"), quietly) === undefined) {
      this.#isHung = false;
      this.#listener.taken();
    }
    const turn = this.#readTurn();
    if (turn === undefined || turn.atMs === this.#turnMs) return;
    this.#turnMs = turn.atMs;
    this.#listener.turned(turn.word, turn.atMs);
  }

  /** Undefined also while it is being written: then there is another change to come. */
  #readTurn(): { word: Turn; atMs: number } | undefined {
    const path = join(this.#path, "turn");
    try {
      const { mtimeMs, size } = statSync(path);
      if (size > maxTurnBytes) return undefined;
      const word = readFileSync(path, "utf8").trim();
      return word === "busy" || word === "idle" ? { word, atMs: mtimeMs } : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Of one length always, so that it can be written over the line before, at once. */
function padded(line: string): string {
  return line.padEnd(bellBytes, "\n");
}

const quietly = { throwIfNoEntry: false } as const;

function ignore(): void {}
