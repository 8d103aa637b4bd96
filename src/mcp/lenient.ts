import { z } from "zod";
import { brokerName } from "../contract/names.js";

/**
 * Parameters as models write them. The schema inside is what the host is told; what is around it makes
 * the usual other shapes fit it, and leaves anything else for the schema to refuse.
 */

/** A number, also in text. */
export function wholeNumber(schema: z.ZodInt) {
  return z.preprocess(
    (value) => (typeof value === "string" && /^\s*\d+\s*$/.test(value) ? Number(value) : value),
    schema,
  );
}

/** True or false, also in text, as a word, or as 1 and 0. */
export function flag() {
  return z.preprocess(
    (value) =>
      typeof value === "string" || typeof value === "number"
        ? (flagWords.get(String(value).trim().toLowerCase()) ?? value)
        : value,
    z.boolean(),
  );
}

const flagWords = new Map([
  ...["true", "yes", "on", "1"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0"].map((word) => [word, false] as const),
]);

/** One of several words, in any case. */
export function choice<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.preprocess(
    (value) => (typeof value === "string" ? value.trim().toLowerCase() : value),
    z.enum(words),
  );
}

/** Text, also as a number, as blocks of text, or as a structure, which is then its JSON. */
export function text(schema: z.ZodString) {
  return z.preprocess((value) => {
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    if (typeof value !== "object" || value === null) return value;
    const blocks = [value].flat().map(textOfBlock);
    return blocks.every((block) => block !== undefined) ? blocks.join("\n") : jsonOf(value);
  }, schema);
}

/** The JSON of a value; undefined where it is nested too deep to be written. */
export function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function textOfBlock(value: unknown): string | undefined {
  const text = memberOf(value, "text");
  return memberOf(value, "type") === "text" && typeof text === "string" ? text : undefined;
}

/** The id of a message, also as a number where it has no letters, or marked as one. */
export function messageId(schema: z.ZodString) {
  return z.preprocess((value) => {
    // A short id may begin with zeros.
    if (typeof value === "number") return String(value).padStart(shortIdLength, "0");
    const id = memberOf(value, "id") ?? memberOf(value, "message_id") ?? value;
    return typeof id === "string" ? id.trim().replace(/^(?:#|id[ :]+)\s*/i, "") : id;
  }, schema);
}

const shortIdLength = 8;

/** A peer: its name, also with an @ or as it stands in a result, or its id. */
export function peer(schema: z.ZodString) {
  return z.preprocess((value) => {
    const one = Array.isArray(value) && value.length === 1 ? value[0] : value;
    return nameOf(one);
  }, schema);
}

/** One peer or several: also with commas, or as a list in text. */
export function peers() {
  const name = z.string().min(1);
  return z.preprocess(peersOf, z.union([name, z.array(name).min(1)]));
}

function peersOf(value: unknown): unknown {
  const list = typeof value === "string" ? listInText(value) : value;
  const entries = Array.isArray(list) ? list : [list];
  const names = entries
    .map(nameOf)
    .flatMap((name) => (typeof name === "string" ? name.split(",").map(nameOf) : [name]))
    .filter((name) => name !== "");
  if (names.length === 1 && !Array.isArray(list)) return names[0];
  return names;
}

function listInText(value: string): unknown {
  if (!/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function nameOf(value: unknown): unknown {
  const name = memberOf(value, "name") ?? memberOf(value, "peer_id") ?? value;
  if (typeof name !== "string") return name;
  // The broker's own notices come from a name that does begin with it.
  const plain = name.trim();
  return plain === brokerName ? plain : plain.replace(/^@/, "");
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
