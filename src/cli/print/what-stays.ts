import { readdirSync } from "node:fs";
import { join } from "node:path";
import { lookIntoHome } from "../../endpoint/home-contents.js";
import { lookAtHome } from "../doctor/home-view.js";
import { lockHolder } from "../doctor/lock-holder.js";
import { count } from "./receipt-words.js";

/** What `uninstall` leaves on the machine, for people; nothing where there is no home. */
export async function whatStays(homePath: string, self: string): Promise<string[]> {
  const { path, state } = lookAtHome(homePath);
  if (state !== "usable" || lookIntoHome(path) === undefined) return [];
  const holder = await lockHolder(path);
  const broker = holder === undefined ? "" : `the broker that runs (pid ${holder}), `;
  const copies = copiesIn(join(path, "backups"));
  const kept =
    copies === 0
      ? ""
      : `, with copies of ${count(copies, "file")} of your agents as they were, which may hold tokens`;
  return [
    "",
    `What stays: ${broker}all mail and who is who in ${path}${kept}.`,
    `\`${self} uninstall --purge\` removes all of it.`,
  ];
}

function copiesIn(folder: string): number {
  try {
    return readdirSync(folder).filter((name) => !name.endsWith(".record")).length;
  } catch {
    return 0;
  }
}
