/** A message's id as a person copies it: also as it stands in the log, and as it is written of. */
export function writtenId(text: string): string {
  return text.trim().replace(/^(?:#|id[ :]+)/i, "");
}
