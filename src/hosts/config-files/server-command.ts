import { HostError } from "./host-error.js";

/** The name under which hosts know the server. */
export const serverName = "peerline";

/** The program that a host starts as its MCP server. */
export interface ServerCommand {
  /** Absolute: hosts started from a desktop have another search path than a shell. */
  readonly command: string;
  readonly args: readonly string[];
}

/** The command that starts this program again, later; PROGRAM_FLEETING where it will be gone by then. */
export function serverCommand(node: string, program: string): ServerCommand {
  for (const path of [program, node]) {
    if (isFleetingPath(path)) {
      throw new HostError(
        "PROGRAM_FLEETING",
        `${path} is in the cache of a package runner and will be deleted. ` +
          "Install peerline (npm install --global peerline), then run `peerline install`.",
      );
    }
  }
  return { command: node, args: [program, "mcp"] };
}

/** Whether a path is in a folder that a package runner deletes again. */
export function isFleetingPath(path: string): boolean {
  return fleeting.test(path);
}

// Caches of npx, of pnpm's and yarn's dlx, and of bunx.
const fleeting = /[/\\](?:_npx|dlx(?:-[^/\\]*)?|bunx-[^/\\]*)[/\\]/;
