/** A process that the nemesis may hurt, and that comes back by itself. */
export interface Victim {
  /** SIGKILL; resolves when it is dead and its successor is on its way. */
  kill(): Promise<void>;
  /**
   * Kills it, and does `strike` when its successor has registered and not yet subscribed; then the
   * successor goes on, where it still lives. Undefined where nobody can see that moment.
   */
  readonly between?: ((strike: () => Promise<void>) => Promise<void>) | undefined;
  /** SIGSTOP. */
  stop(): void;
  /** SIGCONT. */
  resume(): void;
}
