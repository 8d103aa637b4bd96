import { EndpointError, errnoOf } from "../endpoint/endpoint-error.js";

/**
 * Loads what holds a home's lock, and with it SQLite, whose native part is a package of its own for each
 * system. BROKER_START_FAILED where that part is missing or of another system: nothing works without it.
 */
export async function loadLock(): Promise<typeof import("./lock.js")> {
  try {
    return await import("./lock.js");
  } catch (cause) {
    throw explain(cause);
  }
}

/** Any other error as it is. */
function explain(cause: unknown): unknown {
  const trouble = troubleOf(cause);
  if (trouble === undefined) return cause;
  return new EndpointError(
    "BROKER_START_FAILED",
    `SQLite, without which no broker runs, ${trouble}. ` +
      "Install Peerline again on this system, with optional packages: npm install --include=optional.",
    { cause },
  );
}

/** Undefined for what is no trouble of SQLite's packages. */
function troubleOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const [first = ""] = error.message.split("\n");
  switch (errnoOf(error)) {
    // It names the package in quotes.
    case "MODULE_NOT_FOUND":
    case "ERR_MODULE_NOT_FOUND": {
      const name = /'((?:@libsql\/|libsql)[^']*)'/.exec(first)?.[1];
      return name === undefined ? undefined : `is not installed: the package ${name} is missing`;
    }
    case "ERR_DLOPEN_FAILED":
      return `cannot be loaded: ${first}`;
    default:
      return undefined;
  }
}
