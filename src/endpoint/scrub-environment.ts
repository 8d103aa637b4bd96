/**
 * The part of an agent's environment that its broker gets. An agent's own holds API keys and its
 * session, and the broker outlives both, so this is a list of what may pass:
 *
 * - who and where the user is, the language and the time zone;
 * - `LD_LIBRARY_PATH`, without which some builds of Node do not start.
 *
 * TMPDIR is not among them: a host may remove its own with the session. NODE_OPTIONS is not either:
 * it would load an agent's code, or claim its debugger's port.
 */
export function scrubEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const scrubbed: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && (allowed.has(name) || name.startsWith("LC_")))
      scrubbed[name] = value;
  }
  return scrubbed;
}

const allowed = new Set(["HOME", "USER", "LOGNAME", "PATH", "LANG", "TZ", "LD_LIBRARY_PATH"]);
