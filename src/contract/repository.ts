import { isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import { maxOriginBytes } from "./limits.js";

/**
 * The name of a repository that is the same on all machines, made of the URL of its origin:
 * `github.com/acme/shop` for `git@github.com:acme/shop.git` and for
 * `https://me:token@GitHub.com:443/acme/shop/`. User, password, scheme, usual ports, query, `.git` and slashes
 * at the end are left out. Undefined for what names no place in a network, such as a path, and for what is
 * too long or has characters that no such URL has.
 */
export function nameOfOrigin(url: string): string | undefined {
  if (Buffer.byteLength(url) > maxOriginBytes) return undefined;
  const { host, port, path } = partsOf(url) ?? {};
  const place = host === undefined ? "" : plainHost(host);
  if (place === "" || path === undefined) return undefined;
  const words = path.split("/").filter((word) => word !== "");
  const last = words.pop()?.replace(/\.git$/, "");
  if (last !== undefined && last !== "") words.push(last);
  const name = `${place}${port === undefined ? "" : `:${port}`}/${words.join("/")}`;
  return isOriginName(name) ? name : undefined;
}

/** Whether a text has the form of such a name. */
export function isOriginName(text: string): boolean {
  if (Buffer.byteLength(text) > maxOriginBytes || !originForm.test(text)) return false;
  return text.split("/").every((word) => word !== "" && word !== "." && word !== "..");
}

const originForm =
  /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[1-9]\d{0,4})?(?:\/[^\p{C}\p{Z}/?#@\\]+)+$/u;

interface UrlParts {
  readonly host: string;
  /** Undefined for the usual one of its scheme. */
  readonly port: number | undefined;
  readonly path: string;
}

function partsOf(url: string): UrlParts | undefined {
  const [, scheme, authority = "", rest = ""] =
    /^([a-z][a-z0-9+]*):\/\/([^/?#]*)([^?#]*)/i.exec(url) ?? [];
  if (scheme === undefined) return partsOfShort(url);
  const usual = usualPorts[scheme.toLowerCase()];
  const [, host, digits = ""] =
    /^(\[[^\]]*\]|[^:[\]]+)(?::(\d{0,5}))?$/.exec(withoutUser(authority)) ?? [];
  if (usual === undefined || host === undefined) return undefined;
  const port = digits === "" || Number(digits) === usual ? undefined : Number(digits);
  return { host, port, path: rest };
}

/**
 * As ssh takes it: `user@host:path`, with brackets around what has colons itself: `[user@host:2222]:path`,
 * `user@[::1]:path`. A slash before the colon makes it a path of this machine, and so does a drive letter.
 */
function partsOfShort(url: string): UrlParts | undefined {
  const [, inner, innerPath = ""] = /^(?:[^/:?#[\]]+@)?\[([^/?#]+)\]:([^:].*)$/s.exec(url) ?? [];
  if (inner !== undefined) return partsOfBrackets(withoutUser(inner), innerPath);
  const [, place, path = ""] = /^(?![a-z]:)([^/:?#[\]]+):([^:].*)$/is.exec(url) ?? [];
  return place === undefined ? undefined : { host: withoutUser(place), port: undefined, path };
}

function partsOfBrackets(place: string, path: string): UrlParts | undefined {
  if (isIPv6(place)) return { host: `[${place}]`, port: undefined, path };
  const [, host, digits = ""] = /^(\[[^\]]*\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(place) ?? [];
  if (host === undefined) return undefined;
  const port = digits === "" || Number(digits) === usualPorts["ssh"] ? undefined : Number(digits);
  return { host, port, path };
}

function withoutUser(place: string): string {
  return place.slice(place.lastIndexOf("@") + 1);
}

const usualPorts: Readonly<Record<string, number>> = {
  ssh: 22,
  "git+ssh": 22,
  "ssh+git": 22,
  https: 443,
  http: 80,
  git: 9418,
};

/** In the form in which it is compared; empty where it is none. */
function plainHost(host: string): string {
  if (host.startsWith("[")) return host.toLowerCase();
  return domainToASCII(host).replace(/\.$/, "");
}
