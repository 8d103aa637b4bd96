import type { ConfigChange, ConfigEntry } from "../installer.js";
import type { JsonDialect } from "./json-document.js";
import { JsonFile } from "./json-file.js";
import { entryKind, serverName } from "./server-command.js";

/** The change that names Peerline's server in a JSON file with one object of servers. */
export function jsonServer(options: {
  path: string;
  dialect: JsonDialect;
  /** The name of the object of servers. */
  servers: string;
  entry: object;
  /** The entry with which the host does not ask; once it is there, it stays so. */
  trusted?: object;
  trust: boolean;
}): ConfigChange {
  const { path, entry, trusted = entry, trust } = options;
  const file = new JsonFile(path, options.dialect);
  const member = (value: object) => ({ within: [options.servers], name: serverName, value });
  const read = (text: string | undefined) => file.read(text, member(entry));
  return {
    path,
    entry(text): ConfigEntry {
      const present = read(text);
      const shown = JSON.stringify(present, null, 2) ?? "";
      return { kind: entryKind(present, [entry, trusted]), shown, server: present };
    },
    put(text) {
      const isTrusted = trust || entryKind(read(text), [trusted]) === "own";
      return file.put(text, member(isTrusted ? trusted : entry));
    },
    remove: (text, before) => file.remove(text, member(entry), before),
  };
}
