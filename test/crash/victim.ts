/** A process that the nemesis may hurt, and that comes back by itself. */
export interface Victim {
  /** SIGKILL; resolves when it is dead and its successor is on its way. */
  kill(): Promise<void>;
  /** SIGSTOP. */
  stop(): void;
  /** SIGCONT. */
  resume(): void;
}
