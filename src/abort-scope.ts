import { setMaxListeners } from "node:events";

/**
 * A piece of work and when it has to end. Its signal aborts with the first of the signals that it hangs
 * on, when its time is over, and when it is disposed of. So nothing of it outlives its block.
 *
 * Its parts are held by what they wait for. `AbortSignal.timeout` and `AbortSignal.any` are not used
 * beside it, since they hold theirs weakly. On Node 20 a timeout that only an `any` refers to is
 * collected and never fires. What `any` makes stays registered on a signal that lives on.
 */
export class AbortScope implements Disposable {
  readonly #controller = new AbortController();
  readonly #parents: readonly AbortSignal[];
  readonly #onParent = (): void => this.#end(this.#parents.find(({ aborted }) => aborted)?.reason);
  #timer: NodeJS.Timeout | undefined;
  #isTimeUp = false;

  /** @param ms after which it ends, with a TimeoutError; at most 2^31 - 1. Default: never. */
  constructor(parents: readonly AbortSignal[], ms?: number) {
    this.#parents = parents;
    for (const parent of parents) {
      // A signal that lives as long as its process has a listener for all that is under way.
      setMaxListeners(0, parent);
      parent.addEventListener("abort", this.#onParent);
    }
    if (parents.some(({ aborted }) => aborted)) this.#onParent();
    else if (ms !== undefined) this.#timer = setTimeout(() => this.#timeUp(ms), ms);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Its own time ended it, and no signal did before. */
  get isTimeUp(): boolean {
    return this.#isTimeUp;
  }

  [Symbol.dispose](): void {
    this.#end(disposed);
  }

  #timeUp(ms: number): void {
    this.#isTimeUp = true;
    this.#end(new DOMException(`The time of ${ms} ms is over.`, "TimeoutError"));
  }

  #end(reason: unknown): void {
    clearTimeout(this.#timer);
    for (const parent of this.#parents) parent.removeEventListener("abort", this.#onParent);
    this.#controller.abort(reason);
  }
}

/** Why what is disposed of has aborted. One for all: each call makes such a piece of work, and an error costs more than the rest of it. */
const disposed = new DOMException("The work is over.", "AbortError");
