import { isDeepStrictEqual } from "node:util";
import {
  createScanner,
  parseTree,
  printParseErrorCode,
  type Node,
  type ParseError,
} from "jsonc-parser";
import { HostError } from "./host-error.js";
import { maxJsonDepth } from "../limits.js";

/** What a host's reader of JSON takes beside JSON. */
export interface JsonDialect {
  readonly comments: boolean;
  readonly trailingCommas: boolean;
}

/** A JSON file whose root is an object, as its text and its tree. A file without text is an empty object. */
export interface JsonDocument {
  readonly path: string;
  readonly dialect: JsonDialect;
  /** Without a byte order mark. */
  readonly text: string;
  readonly root: Node;
}

/** CONFIG_BROKEN where the host could not read the text. */
export function parseDocument(path: string, text: string, dialect: JsonDialect): JsonDocument {
  const whole = text.trim() === "" ? `{}${text}` : text;
  checkDepth(path, whole);
  const errors: ParseError[] = [];
  const root = parseTree(whole, errors, {
    disallowComments: !dialect.comments,
    allowTrailingComma: dialect.trailingCommas,
  });
  const [error] = errors;
  if (error !== undefined) {
    const what = printParseErrorCode(error.error).replaceAll(/\B[A-Z]/g, (letter) => ` ${letter}`);
    throw broken(path, `${positionOf(whole, error.offset)}: ${what}`);
  }
  if (root?.type !== "object") throw broken(path, "its root is not an object");
  return { path, dialect, text: whole, root };
}

/** The value of a node, as JSON.parse makes it: of a name that stands twice the last, and no prototype set. */
export function valueOf({ type, value, children = [] }: Node): unknown {
  if (type === "array") return children.map(valueOf);
  if (type !== "object") return value;
  return Object.fromEntries(
    children.flatMap(({ children: [name, held] = [] }) =>
      name === undefined || held === undefined ? [] : [[name.value, valueOf(held)]],
    ),
  );
}

/** The value of a property; undefined where the object has none of that name. */
export function propertyValue(object: Node, name: string): Node | undefined {
  return propertyOf(object, name)?.children?.[1];
}

export function propertyOf(object: Node, name: string): Node | undefined {
  return object.children?.find((property) => property.children?.[0]?.value === name);
}

/** Functions that read a tree call themselves for each level, and the stack is bounded. */
function checkDepth(path: string, text: string): void {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (;;) {
    scanner.scan();
    const offset = scanner.getTokenOffset();
    if (offset >= text.length) return;
    // The first character of a token tells it from a string, and comments are passed over.
    if (/[[{]/.test(text[offset] ?? "")) depth += 1;
    if (/[\]}]/.test(text[offset] ?? "")) depth -= 1;
    if (depth > maxJsonDepth) {
      const what = `more than ${maxJsonDepth} objects and arrays in each other`;
      throw broken(path, `${positionOf(text, offset)}: ${what}`);
    }
  }
}

function positionOf(text: string, offset: number): string {
  const lines = text.slice(0, offset).split("\n");
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}

function broken(path: string, what: string): HostError {
  return new HostError(
    "CONFIG_BROKEN",
    `${path} cannot be read as JSON (${what}). It was left as it is: fix it, then try again.`,
  );
}

/** One value in a JSON file: under a name in an object, or an element of an array. */
export interface JsonMember {
  /** The names of the objects around it, from the root; the last is an array where `name` is undefined. */
  readonly within: readonly string[];
  readonly name: string | undefined;
  readonly value: unknown;
  /** Which element of the array it is, also with another value; without it, the one with this value. */
  readonly isElement?: (element: unknown) => boolean;
}

/** One element of a list within a member that holds more. */
export interface JsonPart {
  /** The list's name in the member. */
  readonly list: string;
  /** Undefined is that it is to go. */
  readonly value: unknown;
  readonly isPart: (element: unknown) => boolean;
}

/** The member in the values of a whole file; undefined where it is not there. */
export function memberOf(values: unknown, member: JsonMember): unknown {
  let held = values;
  for (const key of member.within) held = (held as Record<string, unknown> | undefined)?.[key];
  if (member.name !== undefined)
    return (held as Record<string, unknown> | undefined)?.[member.name];
  return Array.isArray(held) ? held.find((element) => isElement(member, element)) : undefined;
}

/** The values except for the member, and for what is empty without it. */
export function withoutMember(values: unknown, member: JsonMember): unknown {
  if (Array.isArray(values)) {
    const others = values.filter((element) => !isElement(member, element));
    return others.length === 0 ? undefined : others;
  }
  const [key = member.name, ...inner] = member.within;
  if (values === undefined || key === undefined) return values;
  const { [key]: held, ...others } = values as Record<string, unknown>;
  const left =
    member.within.length === 0 ? undefined : withoutMember(held, { ...member, within: inner });
  const all = left === undefined ? others : { ...others, [key]: left };
  return Object.keys(all).length === 0 ? undefined : all;
}

/** Whether an element of an array is the member. */
export function isElement({ value, isElement: is }: JsonMember, element: unknown): boolean {
  return is === undefined ? isDeepStrictEqual(element, value) : is(element);
}
