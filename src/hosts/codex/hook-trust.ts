import { realpathSync } from "node:fs";
import { join } from "node:path";
import type { UserPlaces } from "../../endpoint/config.js";
import type { FoundHook } from "../find-hooks.js";
import { readValues, valueAt } from "../read-values.js";

/**
 * Whether the user has told Codex to run a hook. It keeps that in its configuration, by the hook's place
 * in its file, with a hash of what it then was: a hook that changed since is not run, which cannot be
 * told from here.
 */
export async function isHookTrusted(hook: FoundHook, { codex }: UserPlaces): Promise<boolean> {
  const states = valueAt(await readValues(join(codex, "config.toml")), "hooks", "state");
  const event = hook.event.replaceAll(/\B[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
  return [hook.path, realpathSync(hook.path)].some((path) => {
    const state = valueAt(states, `${path}:${event}:${hook.group}:${hook.index}`);
    return (
      typeof valueAt(state, "trusted_hash") === "string" && valueAt(state, "enabled") !== false
    );
  });
}
