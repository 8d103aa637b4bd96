import { lstatSync, watch, type FSWatcher } from "node:fs";
import { basename, dirname } from "node:path";
import { errnoOf } from "../endpoint/endpoint-error.js";

/** What became of a path: nothing is there any more, or something else. */
export type Loss = "removed" | "replaced";

/**
 * Calls `lost` once when the file at one of the paths was removed or replaced. A look at the path
 * alone would take a new file for the old one. The files are watched one by one, since their folder
 * changes with every message. The folder itself is watched from the one above. Where the system has no
 * watch to give, a loss goes unnoticed.
 */
export function watchFiles(
  { folder, files }: { folder: string; files: readonly string[] },
  lost: (path: string, loss: Loss) => void,
): Disposable {
  const watchers: FSWatcher[] = [];
  let isOver = false;
  const close = () => {
    isOver = true;
    for (const watcher of watchers.splice(0)) watcher.close();
  };
  const follow = (path: string, watched: string) => {
    const original = identityOf(path);
    const look = () => {
      const loss = isOver ? undefined : lossOf(path, original);
      if (loss === undefined) return;
      close();
      lost(path, loss);
    };
    const watcher = tryWatch(watched);
    if (watcher === undefined) return;
    watchers.push(watcher);
    watcher.on("error", () => watcher.close());
    watcher.on("change", (_event, name) => {
      if (watched === path || name === null || name === basename(path)) look();
    });
    // It may have gone before it was watched.
    setImmediate(look);
  };
  for (const file of files) follow(file, file);
  follow(folder, dirname(folder));
  return { [Symbol.dispose]: close };
}

function lossOf(path: string, original: string): Loss | undefined {
  const found = identityOf(path);
  if (found === original || found === "unseen") return undefined;
  return found === "nothing" ? "removed" : "replaced";
}

/** What is at a path, whatever it says of itself. Links are not followed. */
function identityOf(path: string): string {
  try {
    const { dev, ino } = lstatSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    return ["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "") ? "nothing" : "unseen";
  }
}

function tryWatch(path: string): FSWatcher | undefined {
  try {
    return watch(path, { persistent: false });
  } catch {
    return undefined;
  }
}
