import { isDeepStrictEqual } from "node:util";

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
