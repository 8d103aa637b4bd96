import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  readdirSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { writeDurably } from "../durable-file.js";
import { EndpointError, errnoOf, explainWriting } from "./endpoint-error.js";
import { readAddress, formatAddress, type TlsEndpoint } from "./endpoint.js";
import type { GivenPaths } from "./given-certificate.js";
import { maxJoinedBytes } from "./limits.js";
import { openRegularFile } from "./regular-file.js";

/** The broker of another machine, and what lets this machine in there. */
export interface MachinePlace {
  readonly endpoint: TlsEndpoint;
  /** The broker's certificate authority, as PEM: no other one is trusted. */
  readonly ca: string;
  /** Proof of who this machine is: 32 random bytes in base64url. */
  readonly credential: string;
  /** The certificate of this machine, where the broker asks for one. */
  readonly given?: GivenPaths;
}

/** The broker that this home has joined. */
export interface JoinedBroker extends MachinePlace {
  /** What the broker calls this machine. */
  readonly machine: string;
  /** What it may do there: `agent`, `observe`, `operate`, or what a newer broker says. */
  readonly scope: string;
  /** The home was made for it, and may go with it. */
  readonly madeHome: boolean;
}

/** A join whose end is not known: the broker may have let this machine in, or not. */
export interface PendingJoin extends MachinePlace {
  /** SHA-256 of the token of its line: with the same line it is completed. */
  readonly tokenHash: string;
}

export function joinedPathIn(home: string): string {
  return join(home, "joined.json");
}

function pendingPathIn(home: string): string {
  return `${joinedPathIn(home)}.pending`;
}

/** The broker that a home has joined; undefined where it uses its own. JOINED_DAMAGED or JOINED_NEWER where its file cannot be read. */
export function readJoinedBroker(home: string): JoinedBroker | undefined {
  const path = joinedPathIn(home);
  const text = readText(path);
  if (text === undefined) return undefined;
  const fields = parse(text);
  if (fields !== undefined && Number(fields["version"]) > formVersion) {
    throw new EndpointError(
      "JOINED_NEWER",
      `${path} was written by a newer version of Peerline than this one. Update this one.`,
    );
  }
  const place = fields && readPlace(fields);
  const { machine, scope } = fields ?? {};
  if (place !== undefined && typeof machine === "string" && typeof scope === "string") {
    return { ...place, machine, scope, madeHome: fields?.["madeHome"] === true };
  }
  throw new EndpointError(
    "JOINED_DAMAGED",
    `${path} is damaged. Run \`peerline leave\`, and join again with a new line.`,
  );
}

/**
 * Keeps it, durably and for this user alone, and what was kept of the way there goes. False where another
 * process was first: then what that one kept stays.
 */
export async function keepJoinedBroker(home: string, broker: JoinedBroker): Promise<boolean> {
  const { machine, scope, madeHome } = broker;
  const fields = { version: formVersion, ...placeFields(broker), machine, scope, madeHome };
  const isFirst = await keep(joinedPathIn(home), fields, { replaces: false });
  if (isFirst) forgetDrafts(home);
  return isFirst;
}

/** Undefined where none is under way, or what is there was cut off. */
export function readPendingJoin(home: string): PendingJoin | undefined {
  const fields = parse(readText(pendingPathIn(home)) ?? "");
  const place = fields && readPlace(fields);
  const tokenHash = fields?.["tokenHash"];
  return place === undefined || typeof tokenHash !== "string" ? undefined : { ...place, tokenHash };
}

export async function keepPendingJoin(home: string, pending: PendingJoin): Promise<void> {
  const fields = { ...placeFields(pending), tokenHash: pending.tokenHash };
  if (await keep(pendingPathIn(home), fields, { replaces: true })) return;
  const words = "Nothing was joined: another process has joined a broker for this home meanwhile.";
  throw new EndpointError("JOIN_FAILED", words);
}

/** The join with this credential was refused. Another one may be under way. */
export function forgetPendingJoin(home: string, credential: string): void {
  if (readPendingJoin(home)?.credential === credential)
    rmSync(pendingPathIn(home), { force: true });
}

/** The home uses its own broker from now on. */
export function forgetJoinedBroker(home: string): void {
  removeKept(joinedPathIn(home));
  forgetDrafts(home);
}

/** Removes a home that a join made, if nobody has put anything there since. */
export function removeEmptyHome(home: string): void {
  try {
    rmdirSync(home);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(errnoOf(error) ?? "")) throw error;
  }
}

/** Removes what a join leaves that was not completed. What was set aside by hand stays. */
function forgetDrafts(home: string): void {
  for (const name of readdirSync(home)) {
    if (draftName.test(name)) removeKept(join(home, name));
  }
}

/** Whatever stands there, except what somebody may have put into a folder. */
function removeKept(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    rmSync(path, { force: true });
    return;
  }
  try {
    rmdirSync(path);
  } catch (cause) {
    if (errnoOf(cause) === undefined) throw cause;
    const words = `${path} is a folder that cannot be removed (${errnoOf(cause)}). Move it away.`;
    throw new EndpointError("JOINED_DAMAGED", words, { cause });
  }
}

const draftName = /^joined\.json\.(?:pending(?:\.[0-9a-f-]{36}\.new)?|[0-9a-f-]{36}\.new)$/;

/** Of the file. A newer version of the program may write it otherwise. */
const formVersion = 1;

/**
 * False where another process has joined meanwhile: its file is there, and it has removed all drafts. JOIN_FAILED for
 * what would not be read again: a hostile broker may give itself a certificate, and this machine a name, of megabytes.
 */
async function keep(
  path: string,
  fields: object,
  options: { replaces: boolean },
): Promise<boolean> {
  const text = `${JSON.stringify(fields, undefined, 2)}\n`;
  if (Buffer.byteLength(text) > maxJoinedBytes) {
    const words = "Nothing was joined: the broker's certificate or its name for this machine";
    throw new EndpointError("JOIN_FAILED", `${words} is larger than any that Peerline makes.`);
  }
  try {
    await writeDurably(path, text, options);
    return true;
  } catch (error) {
    const why = errnoOf(error);
    const isOutrun = why === "ENOENT" && existsSync(joinedPathIn(dirname(path)));
    if (why === "EEXIST" || isOutrun) return false;
    throw explainWriting(error, path);
  }
}

/**
 * Undefined where there is no file, or no home that can be looked into: whoever opens that learns why.
 * Anything else would have the agents of a joined home start a broker of their own.
 */
function readText(path: string): string | undefined {
  try {
    // A second look, as the file may just have come.
    for (let look = 1; look <= 2; look++) {
      using file = openRegularFile(path);
      if (file !== undefined) return file.read(0, maxJoinedBytes).toString();
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    }
    return "";
  } catch (error) {
    const why = errnoOf(error);
    if (why === undefined) throw error;
    if (why === "ENOTDIR" || !mayEnter(dirname(path))) return undefined;
    const words = `${path} cannot be read (${why}).`;
    throw new EndpointError("JOINED_DAMAGED", words, { cause: error });
  }
}

function mayEnter(folder: string): boolean {
  try {
    accessSync(folder, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const fields: unknown = JSON.parse(text);
    return typeof fields === "object" && fields !== null
      ? (fields as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function placeFields({ endpoint, ca, credential, given }: MachinePlace): object {
  const paths = given === undefined ? {} : { tlsCert: given.certificate, tlsKey: given.key };
  return { address: formatAddress(endpoint), credential, ca, ...paths };
}

function readPlace(fields: Record<string, unknown>): MachinePlace | undefined {
  const { address, ca, credential, tlsCert, tlsKey } = fields;
  const given = tlsCert === undefined && tlsKey === undefined ? [] : [tlsCert, tlsKey];
  const parts = [address, ca, credential, ...given];
  if (!parts.every((part) => typeof part === "string")) return undefined;
  const place = readAddress(String(address));
  if (place === undefined || !/^[\w-]{43}$/.test(String(credential))) return undefined;
  return {
    endpoint: { kind: "tls", ...place },
    ca: String(ca),
    credential: String(credential),
    ...(given.length === 0 ? {} : { given: { certificate: String(tlsCert), key: String(tlsKey) } }),
  };
}
