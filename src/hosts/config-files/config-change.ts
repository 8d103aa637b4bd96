import type { ConfigChange, ConfigEntry } from "../installer.js";

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
