/**
 * One change to one file, as functions of its text; no text is no file. They throw a HostError for a
 * text that the host cannot read, or that cannot be changed without touching anything else in it.
 */
export interface ConfigChange {
  readonly path: string;
  entry(text: string | undefined): ConfigEntry;
  /** The text with the entry in it; what was under its name is replaced. The same text where nothing is to do. */
  put(text: string | undefined): string;
  /**
   * The text without the entry. `before` is the text from before the entry came, as far as it is known. An
   * object that held only the entry stays if it was there before. So does a file that held nothing else.
   */
  remove(text: string, before: Before): string | undefined;
}

/** A text of the past: null is no file, undefined is that nobody knows. */
export type Before = string | null | undefined;

/** What a file holds under Peerline's name. */
export interface ConfigEntry {
  readonly kind:
    | "absent"
    /** The server is gone, and what the host added to it is there. A host may refuse the whole file for that. */
    | "leftover"
    /** As this program, or the README, writes it. */
    | "own"
    /** It starts Peerline, and somebody added to it. */
    | "edited"
    /** It starts something else. */
    | "foreign";
  /** The entry for people to read. */
  readonly shown: string;
  /** The server as the host reads it; undefined where it is absent, or the change is about something else. */
  readonly server?: unknown;
}

/** Several changes to one file as one. */
export function jointChange(path: string, changes: readonly ConfigChange[]): ConfigChange {
  return {
    path,
    entry(text): ConfigEntry {
      const entries = changes
        .map((change) => change.entry(text))
        .filter(({ kind }) => kind !== "absent");
      const [first = { kind: "absent", shown: "" }, ...others] = entries;
      // What is partly this program's can neither be replaced nor taken out without asking.
      const isOneKind = others.every(({ kind }) => kind === first.kind);
      const changed = entries.filter(({ kind }) => kind !== "own");
      return {
        kind: isOneKind ? first.kind : "edited",
        shown: (changed.length === 0 ? entries : changed).map(({ shown }) => shown).join("\n"),
        server: entries.find(({ server }) => server !== undefined)?.server,
      };
    },
    put: (text) =>
      changes.reduce<string | undefined>((before, change) => change.put(before), text) ?? "",
    remove(text, before) {
      return changes.reduceRight<string | undefined>((rest, change) => {
        if (rest === undefined || change.entry(rest).kind === "foreign") return rest;
        return change.remove(rest, before);
      }, text);
    },
  };
}
