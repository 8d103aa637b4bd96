import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { eventually } from "../../support/test-broker.js";
import { maxStartMs } from "./limits.js";

/** Where the hooks of hosts meet their adapters. */
interface Home {
  readonly path: string;
}

/** Waits until a bell hangs where a host's next hook takes it. */
export async function bellHangs(broker: Home): Promise<void> {
  await eventually(() =>
    expect(boxes(broker).some((box) => existsSync(join(box, "bell")))).toBe(true),
  );
}

/** Waits until a host's hooks said that its turn is over. */
export async function isIdle(broker: Home): Promise<void> {
  await eventually(() => expect(boxes(broker).map(turnIn)).toContain("idle"), maxStartMs);
}

/** Waits until somebody waits to wake a session. */
export async function isWaited(broker: Home): Promise<void> {
  await eventually(() =>
    expect(boxes(broker).some((box) => existsSync(join(box, "waiter")))).toBe(true),
  );
}

/** Does what begins another conversation in a host, and waits until its hooks or a new adapter have told of one. */
export async function beginsAnother(broker: Home, begin: () => Promise<void>): Promise<void> {
  const before = boxes(broker).map(conversationIn);
  await begin();
  const isNew = (one: string) => !before.includes(one);
  await eventually(() => expect(boxes(broker).map(conversationIn).some(isNew)).toBe(true));
}

function boxes({ path }: Home): string[] {
  const folder = join(path, "doorbells");
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
}

function turnIn(box: string): string {
  return textIn(box, "turn");
}

/** Some hosts have a folder for each of them, the others name it in theirs. */
function conversationIn(box: string): string {
  return `${box} ${textIn(box, "conversation")}`;
}

function textIn(box: string, name: string): string {
  const path = join(box, name);
  return existsSync(path) ? readFileSync(path, "utf8").trim() : "";
}
