/** What a process that is told what to do can be told: the methods of an object, by name, with one argument. */
export type CommandOf<Orders> = Extract<keyof Orders, string>;

export interface Order {
  readonly id: number;
  readonly command: string;
  readonly args: unknown;
}

export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Carries out the orders of the process that `fork`ed this one, and ends with it. */
export function carryOut(orders: object): void {
  process.on("message", ({ id, command, args }: Order) => {
    const methods = orders as Record<string, (args: unknown) => unknown>;
    Promise.resolve(methods[command]?.(args)).then(
      (value) => answer({ id, value }),
      (error: unknown) => answer({ id, error: String(error) }),
    );
  });
  process.once("disconnect", () => process.exit());
}

function answer(message: Answer): void {
  if (process.connected) process.send?.(message);
}
