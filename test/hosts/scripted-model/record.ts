import { EventEmitter, once } from "node:events";
import { AbortScope } from "../../../src/abort-scope.js";
import { maxWaitMs } from "./limits.js";
import type { ModelRequest, Turn } from "./model-request.js";

/** A turn that a model was sent. */
export interface Sighting {
  readonly turn: Turn;
  /** When its request arrived, in milliseconds since the epoch. */
  readonly atMs: number;
}

/** All that one agent's model was sent. */
export class ModelRecord {
  readonly #requests: (ModelRequest & { atMs: number })[] = [];
  readonly #arrivals = new EventEmitter();
  #failure: unknown;

  add(request: ModelRequest): void {
    this.#requests.push({ ...request, atMs: Date.now() });
    this.#arrivals.emit("change");
  }

  /** What went wrong in the script; who waits is told. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#arrivals.emit("change");
  }

  /** Throws what went wrong in the script: a host may end as if nothing had. */
  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits until the model is sent a turn that matches, and returns the first. */
  async seen(matches: (turn: Turn) => boolean, timeoutMs = maxWaitMs): Promise<Sighting> {
    using wait = new AbortScope([], timeoutMs);
    for (;;) {
      this.throwFailure();
      for (const { turns, atMs } of this.#requests) {
        const turn = turns.find(matches);
        if (turn !== undefined) return { turn, atMs };
      }
      await once(this.#arrivals, "change", { signal: wait.signal });
    }
  }

  /** Waits until the model has seen a text. */
  async seenText(text: string, timeoutMs = maxWaitMs): Promise<Sighting> {
    return this.seen((turn) => turn.text.includes(text), timeoutMs);
  }

  /** How often the model was asked. */
  get requests(): number {
    return this.#requests.length;
  }

  /** The context as it was sent last. */
  get context(): readonly Turn[] {
    return this.#requests.at(-1)?.turns ?? [];
  }

  /** What the calls of tools gave since this text came into the context that holds it. */
  resultsSince(text: string): readonly string[] {
    for (const { turns } of this.#requests.toReversed()) {
      const at = turns.findLastIndex((turn) => turn.text.includes(text));
      const since = turns.slice(at).filter(({ role }) => role === "tool");
      if (at >= 0) return since.map((turn) => turn.text);
    }
    return [];
  }

  /** What the calls of tools gave, in the context as it was sent last. */
  get results(): readonly string[] {
    return this.context.filter(({ role }) => role === "tool").map(({ text }) => text);
  }
}
