import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { readName, type AskedName } from "../contract/names.js";
import { EndpointError } from "./endpoint-error.js";
import { formatEndpoint, readEndpoints, type Endpoint } from "./endpoint.js";
import { foldersIn } from "./find-program.js";
import { readJoinedBroker, type JoinedBroker } from "./joined-broker.js";

/** Where a broker of this home's agents may answer. */
export interface BrokerPlace {
  /** As `unix:/absolute/path` or `tls:host:port`. */
  readonly endpoint: string;
  /** The absolute path of its socket; undefined for a broker of another machine. */
  readonly socketPath: string | undefined;
  /** The broker of another machine, which this home has joined; undefined for one of this machine. */
  readonly joined: JoinedBroker | undefined;
}

/** All such places; what stands here itself is of the first of them, for what needs no other. */
interface BrokerPlaces extends BrokerPlace {
  /** At least one. They are tried in turn. */
  readonly places: readonly BrokerPlace[];
  /** It is the home's own, so that a broker may be started for it. */
  readonly ownsBroker: boolean;
}

/** What the environment says. Nothing else in the program reads it. */
export interface Config extends BrokerPlaces {
  /** The home's path, absolute, as given: links in it are not resolved. */
  readonly home: string;
  /** The name asked for, and how it was written; undefined when any will do. */
  readonly name: (AskedName & { readonly written: string }) | undefined;
  /** What PEERLINE_BROKER names; undefined where it names none. */
  readonly named: readonly Endpoint[] | undefined;
  /** What a host says in a variable of its own. Children inherit it: it counts only when the client is that host. */
  readonly hostVariable: (name: string) => string | undefined;
  /** The user opened Claude Code's channel to this server: doorbells go there too. */
  readonly opensChannel: boolean;
  /** The whole environment of a broker that is started from here. */
  readonly brokerEnvironment: Readonly<Record<string, string>>;
}

/** Reads the settings. An empty variable counts as absent: hosts pass on what they could not expand. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const home = readHome(env["PEERLINE_HOME"]);
  const broker = env["PEERLINE_BROKER"];
  const named = broker ? readEndpoints("PEERLINE_BROKER", broker) : undefined;
  return {
    home,
    name: readNameSetting(env["PEERLINE_NAME"]),
    named,
    ...placesOf(home, named),
    hostVariable: (name) => env[name] || undefined,
    opensChannel: env["PEERLINE_CHANNEL"] === "1",
    brokerEnvironment: scrubEnvironment(env),
  };
}

/** The home's path alone, where its other settings may be damaged. */
export function homePath(env: NodeJS.ProcessEnv = process.env): string {
  return readHome(env["PEERLINE_HOME"]);
}

/** The same settings, with the broker that the home uses by now: it may have joined one, or left it. */
export function atPresent(config: Config): Config {
  return { ...config, ...placesOf(config.home, config.named) };
}

/** The same settings, with the broker of the home itself, which it does not use while it has joined another. */
export function withOwnBroker(config: Config): Config {
  return { ...config, named: undefined, ...ownPlaces(config.home) };
}

function placesOf(home: string, named: readonly Endpoint[] = []): BrokerPlaces {
  const needsJoined = named.length === 0 || named.some(({ kind }) => kind === "tls");
  const joined = needsJoined ? readJoinedBroker(home) : undefined;
  const given = named.map((endpoint) => placeOf(home, endpoint, joined));
  const places = given.length > 0 || joined === undefined ? given : [joinedPlace(joined)];
  const [first] = places;
  if (first !== undefined) return { ...first, places, ownsBroker: false };
  return ownPlaces(home);
}

function ownPlaces(home: string): BrokerPlaces {
  const own = socketPlace(join(home, "broker.sock"));
  return { ...own, places: [own], ownsBroker: true };
}

function placeOf(home: string, endpoint: Endpoint, joined: JoinedBroker | undefined): BrokerPlace {
  if (endpoint.kind === "unix") return socketPlace(endpoint.path);
  // The same broker may have another address from here, and several may stand for it.
  if (joined !== undefined) return joinedPlace({ ...joined, endpoint });
  const sentence = `needs what \`peerline join\` keeps, and ${home} has joined no broker`;
  throw invalid("PEERLINE_BROKER", formatEndpoint(endpoint), sentence);
}

function socketPlace(path: string): BrokerPlace {
  return { endpoint: `unix:${path}`, socketPath: path, joined: undefined };
}

function joinedPlace(joined: JoinedBroker): BrokerPlace {
  return { endpoint: formatEndpoint(joined.endpoint), socketPath: undefined, joined };
}

/** The same settings, for the broker that answered at this endpoint. */
export function answeredAt(config: Config, endpoint: string): Config {
  const place = config.places.find((one) => one.endpoint === endpoint);
  return place === undefined ? config : usingPlace(config, place);
}

/** The same settings, for what is about one of the places alone. */
export function usingPlace(config: Config, place: BrokerPlace): Config {
  return { ...config, ...place, places: [place] };
}

/** The places as PEERLINE_BROKER has them, for people. */
export function placesText({ places }: Config): string {
  return places.map(({ endpoint }) => endpoint).join(",");
}

/** Where the programs of this user's agents are, and where they keep their settings. All paths are absolute. */
export interface UserPlaces {
  readonly home: string;
  /** The folder of settings that the desktop's programs share. */
  readonly settings: string;
  /** The path in the variable by which a host is told that its folder is not the usual one. */
  readonly pathIn: (variable: string) => string | undefined;
  /** Where programs are found by name. */
  readonly programs: readonly string[];
}

/** Reads the variables by which the hosts themselves find their settings. */
export function readUserPlaces(env: NodeJS.ProcessEnv = process.env): UserPlaces {
  const home = homedir();
  const desktop = process.platform === "darwin" ? "Library/Application Support" : ".config";
  return {
    home,
    settings: absoluteOr(env["XDG_CONFIG_HOME"], join(home, desktop)),
    pathIn: (variable) => readPath(env, variable),
    programs: foldersIn(env["PATH"]),
  };
}

/** A path that its host resolves against the working directory, if it is relative. */
function readPath(env: NodeJS.ProcessEnv, variable: string): string | undefined {
  const value = env[variable];
  if (!value) return undefined;
  const directory = isAbsolute(value) ? "/" : workingDirectory();
  if (directory !== undefined) return resolve(directory, value);
  const sentence = "is relative, and the directory you are in was removed: go to another one";
  throw invalid(variable, value, sentence);
}

function absoluteOr(path: string | undefined, usual: string): string {
  return path && isAbsolute(path) ? path : usual;
}

// Neither XDG variables nor TMPDIR: hosts scrub them differently, and agents with two homes cannot
// find each other.
function readHome(value: string | undefined): string {
  if (value) {
    if (isAbsolute(value)) return resolve(value);
    throw invalid("PEERLINE_HOME", value, "is not an absolute path: write it in full, without ~");
  }
  const user = homedir();
  if (isAbsolute(user)) return join(user, ".peerline");
  throw new EndpointError(
    "HOME_UNUSABLE",
    "The user has no home directory. Set PEERLINE_HOME to an absolute path.",
  );
}

/** A name that nobody can have is no reason to fail: the agent is told, and gets another. */
function readNameSetting(value: string | undefined): Config["name"] {
  return value?.trim() ? { ...readName(value), written: value } : undefined;
}

function invalid(variable: string, value: string, sentence: string): EndpointError {
  return new EndpointError("CONFIG_INVALID", `${variable}=${value} ${sentence}.`);
}

/**
 * The part of an agent's environment that its broker gets. An agent's own holds API keys and its
 * conversation, and the broker outlives both, so this is a list of what may pass:
 *
 * - who and where the user is, the language and the time zone;
 * - `LD_LIBRARY_PATH`, without which some builds of Node do not start.
 *
 * TMPDIR is not among them: a host may remove its own with the conversation. NODE_OPTIONS is not either:
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

/**
 * The working directory of this process; undefined if it was removed or cannot be determined. Node then
 * throws, or returns the one that it remembers. `path.resolve` of a relative path does the same. Nothing
 * else in the program asks for it.
 */
export function workingDirectory(): string | undefined {
  try {
    const path = process.cwd();
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}
