import { setTimeout as delay } from "node:timers/promises";

/** The value of a counter once it has stood still for a while. */
export async function steady(read: () => number): Promise<number> {
  for (let last = -1; ;) {
    const value = read();
    if (value === last) return value;
    last = value;
    await delay(200);
  }
}
