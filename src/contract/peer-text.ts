/**
 * Text that a peer wrote, as a model or a person may see it. Only what is visible stays, and tags are
 * made inert, so that nothing in it looks like the host's own words. `&lt;` stands for `<`, and `&amp;`
 * for an `&` that would otherwise read as such a sign; `a && b` and `?x=1&y=2` stay as they are.
 */
export function peerText(text: string): string {
  return visibleText(text)
    .replaceAll(/&(?=#?\w+;)/g, "&amp;")
    .replaceAll("<", "&lt;");
}

/** The same on one line. */
export function peerLine(text: string): string {
  return oneLine(peerText(text));
}

/** The same of every string in a structure, keys too. */
export function peerData<T>(value: T): T {
  return sanitise(value) as T;
}

/**
 * Text without what moves a cursor, colours, hides or reorders. Tabs stay, and every line break becomes
 * a line feed. For text that is nobody's message, such as a configuration: tags in it stay.
 */
export function visibleText(text: string): string {
  return text.replaceAll(sequence, "").replaceAll(lineBreak, "\n").replaceAll(hidden, "");
}

/** The same on one line. */
export function visibleLine(text: string): string {
  return oneLine(visibleText(text));
}

function oneLine(text: string): string {
  // Braille's blank looks like a space and is none.
  return text.replaceAll(/[\s\u2800]+/gu, " ").trim();
}

function sanitise(value: unknown): unknown {
  if (typeof value === "string") return peerText(value);
  if (Array.isArray(value)) return value.map(sanitise);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [peerText(key), sanitise(member)]),
  );
}

/**
 * A colour, or a movement of the cursor. Longer commands to a terminal, such as its title, lose their
 * controls only: none of their words may be lost.
 */
// oxlint-disable-next-line no-control-regex -- these controls are what it looks for
const sequence = /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]/gu;

const lineBreak = /\r\n|[\r\u0085\u2028\u2029]/gu;

/** Scripts whose letters change their shape beside a joiner. */
const joining =
  "\\p{scx=Arabic}\\p{scx=Syriac}\\p{scx=Mongolian}\\p{scx=Devanagari}\\p{scx=Bengali}\\p{scx=Gurmukhi}\\p{scx=Gujarati}\\p{scx=Oriya}\\p{scx=Tamil}\\p{scx=Telugu}\\p{scx=Kannada}\\p{scx=Malayalam}\\p{scx=Sinhala}\\p{scx=Khmer}\\p{scx=Myanmar}";

/** Scripts have invisible characters of their own: beside one of those nothing is needed, or a row would stay. */
const visible = String.raw`(?!\p{Default_Ignorable_Code_Point})`;

/** Invisible characters that make the visible ones beside them what they are. Each is kept once, at its place alone. */
const needed = [
  // Between the parts of an emoji: a family, a profession.
  String.raw`(?<=\p{Extended_Pictographic}[\uFE0F\u{1F3FB}-\u{1F3FF}]?)\u200D(?=\p{Extended_Pictographic})`,
  // Between letters.
  String.raw`(?<=${visible}[${joining}])[\u200C\u200D](?=${visible}[${joining}])`,
  // After an emoji: in colour, or as text.
  String.raw`(?<=\p{Emoji})[\uFE0E\uFE0F]`,
  // After an ideograph: one of its forms.
  String.raw`(?<=\p{Unified_Ideograph})[\uFE00-\uFE02\u{E0100}-\u{E01EF}]`,
  String.raw`(?<=${visible}\p{Script=Mongolian})[\u180B-\u180D\u180F]`,
].join("|");

const invisible = String.raw`\p{Cc}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\uFFF9-\uFFFB\u{13430}-\u{1343F}\u{16FE4}\u{1D159}`;

/** Every character that is not visible, breaks a line or begins a tag, also where it is needed. */
export const unsafe = new RegExp(String.raw`[${invisible}\u2028\u2029<]`, "gu");

/**
 * Controls except the tab and the line feed. Every character that is not drawn (joiners, selectors,
 * tags, fillers, marks that reorder text) except where it is needed: a row of them can spell any text.
 * Marks of annotation, and of the layout of hieroglyphs. Halves of characters, and what is no character.
 */
const hidden = new RegExp(String.raw`(?!${needed}|[\t\n])[${invisible}]`, "gu");
