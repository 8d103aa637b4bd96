import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { isLeft, isUnvisited } from "../../hosts/doorbell/box-folder.js";
import { count } from "../print/receipt-words.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** The folders in which adapters and the hooks of their hosts meet. */
export function checkDoorbells({ home, hosts }: Evidence): Finding[] {
  const folder = join(home.path, "doorbells");
  if (home.state !== "usable" || !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    return [];
  }
  const boxes = readdirSync(folder).map((name) => join(folder, name));
  return [...leftBehind(folder, boxes), ...unvisited(folder, boxes, hosts)];
}

function leftBehind(folder: string, boxes: readonly string[]): Finding[] {
  const left = boxes.filter(isLeft);
  if (left.length === 0) return [];
  const seen = `${count(left.length, "folder")} of agents that ended without a word`;
  const mend = "None is needed: the next agent removes them";
  return [{ id: "doorbells", severity: "note", subject: folder, seen, mend }];
}

/** Hooks are installed, and none came: what stands between the host and its server may hide one from the other. */
function unvisited(folder: string, boxes: readonly string[], hosts: Evidence["hosts"]): Finding[] {
  const alone = boxes.filter(isUnvisited);
  const hooked = hosts.filter(({ hooks, plugin }) => hooks.length > 0 || plugin !== undefined);
  if (alone.length === 0 || hooked.length === 0) return [];
  const seen = `no hook has come to ${count(alone.length, "running agent")}: each hears of mail with its next call only, until its host's hooks tell of a turn`;
  const mend =
    "Prompt each agent once; where this stays, restart its program, and let its MCP server be started without a wrapper";
  return [{ id: "doorbells-unvisited", severity: "note", subject: folder, seen, mend }];
}
