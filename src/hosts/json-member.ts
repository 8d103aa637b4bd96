/** One value in a JSON file: under a name in an object, or an element of an array. */
export interface JsonMember {
  /** The names of the objects around it, from the root; the last is an array where `name` is undefined. */
  readonly within: readonly string[];
  readonly name: string | undefined;
  readonly value: unknown;
}

/** The member in the values of a whole file; undefined where it is not there. */
export function memberOf(values: unknown, { within, name, value }: JsonMember): unknown {
  let held = values;
  for (const key of within) held = (held as Record<string, unknown> | undefined)?.[key];
  if (name !== undefined) return (held as Record<string, unknown> | undefined)?.[name];
  return Array.isArray(held) && held.includes(value) ? value : undefined;
}

/** The values but for the member and for what is empty without it. */
export function withoutMember(values: unknown, { within, name, value }: JsonMember): unknown {
  if (Array.isArray(values)) {
    const others = values.filter((element) => element !== value);
    return others.length === 0 ? undefined : others;
  }
  const [key = name, ...inner] = within;
  if (values === undefined || key === undefined) return values;
  const { [key]: held, ...others } = values as Record<string, unknown>;
  const left =
    within.length === 0 ? undefined : withoutMember(held, { within: inner, name, value });
  const all = left === undefined ? others : { ...others, [key]: left };
  return Object.keys(all).length === 0 ? undefined : all;
}
