/**
 * Parameters as models write them. The schema is what the host is told. What reads a value makes the usual
 * other shapes fit, and takes nothing else. No library for schemas: hosts are told the tools before anything
 * is loaded, and each agent's process would hold it.
 */
export interface Parameter<T = unknown> {
  /** JSON Schema, without the description. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** What it takes, in words. */
  readonly description: string;
  readonly isOptional: boolean;
  /** What was meant; undefined where it can be nothing of this kind. */
  readonly read: (value: unknown) => T | undefined;
}

export interface OptionalParameter<T = unknown> extends Parameter<T> {
  readonly isOptional: true;
}

/** A parameter that may be left out. */
export function optional<T>(parameter: Parameter<T>): OptionalParameter<T> {
  return { ...parameter, isOptional: true };
}

function required<T>(
  schema: Parameter["schema"],
  description: string,
  read: Parameter<T>["read"],
): Parameter<T> {
  return { schema, description, isOptional: false, read };
}

/** A number, also in text. */
export function wholeNumber(minimum: number, description: string): Parameter<number> {
  return required({ type: "integer", minimum }, description, (value) => {
    const isInText = typeof value === "string" && /^\s*\d+\s*$/.test(value);
    const number = isInText ? Number(value) : value;
    return isWholeFrom(minimum, number) ? number : undefined;
  });
}

function isWholeFrom(minimum: number, value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= minimum;
}

/** True or false, also in text, as a word, or as 1 and 0. */
export function flag(description: string): Parameter<boolean> {
  return required({ type: "boolean" }, description, (value) => {
    if (typeof value === "boolean") return value;
    if (typeof value !== "string" && typeof value !== "number") return undefined;
    return flagWords.get(String(value).trim().toLowerCase());
  });
}

const flagWords = new Map([
  ...["true", "yes", "on", "1"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0"].map((word) => [word, false] as const),
]);

/** One of several words, in any case. */
export function choice<const Word extends string>(
  words: readonly Word[],
  description: string,
): Parameter<Word> {
  return required({ type: "string", enum: words }, description, (value) => {
    const word = typeof value === "string" ? value.trim().toLowerCase() : undefined;
    return words.find((one) => one === word);
  });
}

/** A time: seconds as a number, or text that says it. */
export function duration(description: string): Parameter<number | string> {
  const anyOf = [{ type: "integer", minimum: 1 }, textOf(1)];
  return required({ anyOf }, description, (value) =>
    isWholeFrom(1, value) ? value : textFrom(1, value),
  );
}

/** Text, also as a number, as blocks of text, or as a structure, which is then its JSON. */
export function text(minLength: number, description: string): Parameter<string> {
  return required(textOf(minLength), description, (value) => textFrom(minLength, plainText(value)));
}

function textOf(minLength: number): Parameter["schema"] {
  return { type: "string", ...(minLength === 0 ? {} : { minLength }) };
}

function textFrom(minLength: number, value: unknown): string | undefined {
  return typeof value === "string" && value.length >= minLength ? value : undefined;
}

function plainText(value: unknown): unknown {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "object" || value === null) return value;
  const blocks = [value].flat().map(textOfBlock);
  return blocks.every((block) => block !== undefined) ? blocks.join("\n") : jsonOf(value);
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
export function messageId(minLength: number, description: string): Parameter<string> {
  return required(textOf(minLength), description, (value) => {
    // A short id may begin with zeros.
    if (typeof value === "number") {
      return textFrom(minLength, String(value).padStart(shortIdLength, "0"));
    }
    const id = memberOf(value, "id") ?? memberOf(value, "message_id") ?? value;
    if (typeof id !== "string") return undefined;
    return textFrom(minLength, id.trim().replace(/^(?:#|id[ :]+)\s*/i, ""));
  });
}

const shortIdLength = 8;

/** A peer: its name, also with an @ or as it stands in a result, or its id. */
export function peer(description: string): Parameter<string> {
  return required(textOf(1), description, (value) => {
    const one = Array.isArray(value) && value.length === 1 ? value[0] : value;
    return textFrom(1, nameOf(one));
  });
}

/** One peer or several: also with commas, or as a list in text. */
export function peers(description: string): Parameter<string | string[]> {
  const anyOf = [textOf(1), { minItems: 1, type: "array", items: textOf(1) }];
  return required({ anyOf }, description, (value) => {
    const list = typeof value === "string" ? listInText(value) : value;
    const names = namesIn([list].flat());
    if (names === undefined || names.length === 0) return undefined;
    return names.length === 1 && !Array.isArray(list) ? names[0] : names;
  });
}

function namesIn(entries: readonly unknown[]): string[] | undefined {
  const names = entries
    .map(nameOf)
    .flatMap((name) => (typeof name === "string" ? name.split(",").map(nameOf) : [name]))
    .filter((name) => name !== "");
  return names.every((name) => typeof name === "string") ? names : undefined;
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
  return plain === "@peerline" ? plain : plain.replace(/^@/, "");
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
