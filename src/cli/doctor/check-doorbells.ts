import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { isLeft } from "../../hosts/doorbell/box-folder.js";
import { count } from "../receipt-words.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** Folders in which adapters that were killed met the hooks of their hosts. The next adapter removes them. */
export function checkDoorbells({ home }: Evidence): Finding[] {
  const folder = join(home.path, "doorbells");
  if (home.state !== "usable" || !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    return [];
  }
  const left = readdirSync(folder)
    .map((name) => join(folder, name))
    .filter(isLeft);
  if (left.length === 0) return [];
  const seen = `${count(left.length, "folder")} of agents that ended without a word`;
  const mend = "None is needed: the next agent removes them";
  return [{ id: "doorbells", severity: "note", subject: folder, seen, mend }];
}
