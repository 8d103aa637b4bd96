import { existsSync, watch, type FSWatcher } from "node:fs";

/**
 * Calls `gone` once when one of the files is removed. They are watched one by one, since the
 * directory changes with every message. Where the system has no watch to give, a removal goes
 * unnoticed.
 */
export function watchFiles(paths: readonly string[], gone: (path: string) => void): Disposable {
  const watchers: FSWatcher[] = [];
  const close = () => {
    for (const watcher of watchers.splice(0)) watcher.close();
  };
  for (const path of paths) {
    const watcher = tryWatch(path);
    watcher?.on("error", () => watcher.close());
    watcher?.on("change", () => {
      if (existsSync(path)) return;
      close();
      gone(path);
    });
    if (watcher !== undefined) watchers.push(watcher);
  }
  return { [Symbol.dispose]: close };
}

function tryWatch(path: string): FSWatcher | undefined {
  try {
    return watch(path, { persistent: false });
  } catch {
    return undefined;
  }
}
