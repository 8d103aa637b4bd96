import { lightAgents, adapters } from "./limits.js";

/** The names of all agents of a soak; the last ones are adapters. */
export const agentNames: readonly string[] = Array.from(
  { length: lightAgents + adapters },
  (_, index) => `agent-${index + 1}`,
);

export function anyAgent(): string {
  return agentNames[Math.floor(Math.random() * agentNames.length)] ?? "";
}

/** A duration or a size, at random as independent events are; at most five times the mean. */
export function pauseMs(meanMs: number): number {
  return Math.min(5, -Math.log(1 - Math.random())) * meanMs;
}

/** Words that were not said before, of at least this many characters. */
export function words(characters: number): string {
  let text = "";
  do text += `${Math.random().toString(36).slice(2)} `;
  while (text.length < characters);
  return text;
}
