import { userInfo } from "node:os";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import type { Line, LineState } from "../client/line.js";
import { readConfig, type Config } from "../endpoint/config.js";
import { openHome } from "../endpoint/home.js";
import { openLine } from "../endpoint/open-line.js";
import { openPersonSecret } from "../endpoint/secrets.js";

/** Opens the line of the person at the terminal, who is one peer in all terminals. */
export function openPersonLine(options: {
  /** Without one, the settings say which broker is meant. */
  config?: Config;
  program: string;
  receives: boolean;
  onState?: (state: LineState) => void;
}): Line {
  const { config = readConfig(), ...rest } = options;
  return openLine({
    ...rest,
    config,
    openSecret: async () => openPersonSecret(openHome(config.home)),
    // The broker makes a name of the user's.
    introduction: { baseName: userName(), kind: PeerKind.PERSON },
  });
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // The user id has no account, as in some containers.
    return "user";
  }
}
