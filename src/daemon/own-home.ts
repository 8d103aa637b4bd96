import { placesText, type Config } from "../endpoint/config.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import { foreignHome } from "../endpoint/file-system.js";
import { openHome, type Home } from "../endpoint/home.js";

/** Opens the home whose broker this process is to be, or whose store it is to open. CONFIG_INVALID where it has none. */
export function openOwnHome(config: Config): Home {
  if (config.ownsBroker) return openHome(config.home);
  if (config.joined !== undefined && config.named === undefined) {
    throw new EndpointError(
      "CONFIG_INVALID",
      `${config.home} has joined the broker at ${config.endpoint}, and starts none of its own. Run \`peerline leave\` first.`,
    );
  }
  throw new EndpointError(
    "CONFIG_INVALID",
    `PEERLINE_BROKER=${placesText(config)} names a broker to connect to. Unset it to run one for ${config.home}.`,
  );
}

/** Another kernel's broker of the same home would not be held off, and both would write to one database. */
export function refuseForeignHome(path: string): void {
  const trouble = foreignHome(path);
  if (trouble === undefined) return;
  const { what, fix } = trouble;
  throw new EndpointError("HOME_UNUSABLE", `The home ${path} ${what}. ${fix}.`);
}
