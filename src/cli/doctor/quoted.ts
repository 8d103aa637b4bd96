/** A word as a shell takes it back. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** A command as it is typed. */
export function commandLine(...words: readonly string[]): string {
  return words.map(quoted).join(" ");
}
