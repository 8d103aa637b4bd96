import { isIdEnd, shortId } from "./ids.js";
import { maxNameLength } from "./limits.js";

/** The form of a name, for people. */
export const nameForm = `1 to ${maxNameLength} of a-z, 0-9, dot, underscore and hyphen`;

/** The end of the broker's sentence about an unknown name. Each client puts its own advice in its place. */
export const seeNames = "list the peers to see their names";

/** What becomes of a name that somebody asks for. */
export type AskedName =
  | { readonly name: string; readonly problem?: undefined; readonly reserved?: undefined }
  | {
      readonly name?: undefined;
      /** Why nobody can have this name, as the end of a sentence, and what to ask for instead. */
      readonly problem: string;
      /** The name that it would be, were it not reserved and no id. */
      readonly reserved?: string;
    };

/**
 * The name that somebody means who asks for this one: `Back End` for `back-end`, `Müller` for `muller`,
 * `@api` for `api`. It is refused where nothing is left, and where letters of another script would be lost.
 * It is refused, too, where it is reserved, or looks like an id: a recipient is never in doubt.
 */
export function readName(text: string): AskedName {
  const { name, isWhole } = fold(text);
  if (name === "") return { problem: `holds nothing that a name may have: use ${nameForm}` };
  if (!isWhole) {
    const fix = isReserved(name) || isIdEnd(name) ? "" : `: "${name}" would do`;
    return { problem: `has letters that a name cannot have (use ${nameForm})${fix}` };
  }
  if (isIdEnd(name)) {
    const problem = `looks like an id, or the end of one: "${shortId(name)}-agent" would do`;
    return { reserved: name, problem };
  }
  if (!isReserved(name)) return { name };
  return {
    reserved: name,
    problem: `is reserved, since agents would take its word for another's than an agent's: "${withSuffix(name, "agent")}" would do`,
  };
}

/**
 * The name in a text that names somebody. Undefined for a text that is too long for a name, and for one that names
 * a host: `api@desktop` is never the peer `api-desktop`.
 */
export function meantName(text: string): string | undefined {
  if (readPlace(text) !== undefined) return undefined;
  return fold(text).isCut ? undefined : readName(text).name;
}

/** The two parts of `name@host`, in lower case; undefined for a text of another form. */
export function readPlace(text: string): { name: string; host: string } | undefined {
  const plain = text.trim().toLowerCase();
  // One before the name is how people write to somebody.
  const at = plain.indexOf("@", 1);
  if (at < 0) return undefined;
  return { name: meantName(plain.slice(0, at)) ?? "", host: plain.slice(at + 1) };
}

/**
 * Whether a text has the form of a host's name, and of one word. A peer may claim any other text for its host, and
 * models are shown that as its own words alone.
 */
export function isHostName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/i.test(text);
}

/** Whether a text is a name that a broker may have given, `@peerline` of its own notices, or no name at all. */
export function isGivenName(text: string): boolean {
  return text === "" || text === brokerName || (givenForm.test(text) && !isReserved(text));
}

/** By which the broker sends its own notices. No peer has it. */
export const brokerName = "@peerline";

const givenForm = new RegExp(`^[a-z0-9][a-z0-9._-]{0,${maxNameLength - 1}}$`);

/** The name with a word behind it, within the length of a name. */
export function withSuffix(name: string, suffix: string): string {
  return `${name.slice(0, maxNameLength - suffix.length - 1)}-${suffix}`;
}

/**
 * Whether a name is reserved. It may read as a role of a conversation, or as a word of a host or of
 * Peerline: then its text would weigh more than a peer's. Or it may mean nobody in particular, or
 * everybody. Dots, hyphens and underscores in a name, and a number before or behind it, change nothing:
 * `u-s-e-r`, `system_reminder.2`, `2system`. A name of several such words, and no other, weighs no less
 * than each of them: `peerline-broker`.
 */
export function isReserved(name: string): boolean {
  const words = name.split(/[._-]+/).map((word) => word.replaceAll(/^\d+|\d+$/g, ""));
  const named = words.filter((word) => word !== "");
  if (named.length === 0) return false;
  return reserved.has(named.join("")) || named.every((word) => reserved.has(word));
}

/** Each without its hyphens. */
const reserved = new Set(
  [
    "user human system assistant developer tool function model systemreminder anthropic openai google",
    "peerline broker operator admin administrator",
    "all everyone everybody anyone anybody nobody here channel me myself you self",
  ].flatMap((words) => words.split(" ")),
);

/** Whether a text is a word for all peers. No name stands for all of them. */
export function meansEverybody(text: string): boolean {
  return ["all", "everyone", "everybody", "*"].includes(
    text.trim().toLowerCase().replace(/^@/, ""),
  );
}

/** The text in the form of a name, whether each of its letters is one that a name has, and whether it is cut. */
export function fold(text: string): { name: string; isWhole: boolean; isCut: boolean } {
  const plain = text
    // An invisible character does not divide a word.
    .replaceAll(/\p{Default_Ignorable_Code_Point}+/gu, "")
    .toLowerCase()
    .replaceAll(/[ßæœøđðłıþ]/g, (letter) => plainLetters[letter] ?? letter)
    .normalize("NFKD")
    .replaceAll(/\p{M}+/gu, "");
  const long = plain
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replaceAll(/^[^a-z0-9]+/g, "")
    .replaceAll(/[._-]+$/g, "");
  const name = long.slice(0, maxNameLength).replaceAll(/[._-]+$/g, "");
  const isWhole = !/(?![a-z0-9])[\p{L}\p{N}]/u.test(plain);
  return { name, isWhole, isCut: long.length > maxNameLength };
}

/** Letters that have no accent to take off. */
const plainLetters: Readonly<Record<string, string>> = {
  ß: "ss",
  æ: "ae",
  œ: "oe",
  ø: "o",
  đ: "d",
  ð: "d",
  ł: "l",
  ı: "i",
  þ: "th",
};
