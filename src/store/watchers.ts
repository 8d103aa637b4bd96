/** Who watches a part of a store. */
export class Watchers<Listener extends object> {
  readonly #listeners = new Set<Listener>();

  get isEmpty(): boolean {
    return this.#listeners.size === 0;
  }

  add(listener: Listener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  tell(say: (listener: Listener) => void): void {
    for (const listener of this.#listeners) say(listener);
  }
}
