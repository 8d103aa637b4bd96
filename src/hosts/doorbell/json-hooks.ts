import type { ConfigChange, ConfigEntry } from "../config-files/config-change.js";
import type { JsonDialect, JsonMember, JsonPart } from "../config-files/json-document.js";
import { JsonFile } from "../config-files/json-file.js";
import type { ServerCommand } from "../config-files/server-entry.js";
import {
  entriesOf,
  hasConditions,
  hookEntry,
  isAsWritten,
  scriptOf,
  type Hook,
  type HookTable,
} from "./hook.js";

/**
 * The change that puts the doorbell's hooks into a JSON file, each in a group of its own after those of
 * others. What somebody put into such a group is not this program's, and stays in it.
 */
export function jsonHooks(options: {
  path: string;
  dialect: JsonDialect;
  table: HookTable;
  server: ServerCommand;
}): ConfigChange {
  const { path, server, table } = options;
  const file = new JsonFile(path, options.dialect);
  const members = table.hooks.map((hook) => memberOf(hook, table.host, server));
  return {
    path,
    entry(text): ConfigEntry {
      const present = members.flatMap((member) => {
        const group = file.read(text, member);
        return group === undefined ? [] : [{ member, group }];
      });
      if (present.length === 0) return { kind: "absent", shown: "" };
      const edited = present.filter(({ member, group }) => !isOwn(member, group));
      const kind = edited.length === 0 ? "own" : "edited";
      const shown = (kind === "own" ? present : edited).map(({ group }) => group);
      return { kind, shown: JSON.stringify(shown, null, 2) };
    },
    put: (text) =>
      members.reduce<string | undefined>((before, member) => put(file, before, member), text) ?? "",
    remove(text, before) {
      return members.reduceRight<string | undefined>((rest, member) => {
        if (rest === undefined) return undefined;
        return isShared(member, file.read(rest, member))
          ? file.putPart(rest, member, { ...member.part, value: undefined })
          : file.remove(rest, member, before);
      }, text);
    },
  };
}

/** A hook's group, and the hook within it. */
interface HookMember extends JsonMember {
  readonly hook: Hook;
  readonly part: JsonPart;
}

function memberOf(hook: Hook, host: string, server: ServerCommand): HookMember {
  const entry = hookEntry(server, host, hook);
  const isPart = (held: unknown) => scriptOf(held, host, hook) !== undefined;
  return {
    hook,
    within: ["hooks", hook.event],
    name: undefined,
    value: { hooks: [entry] },
    isElement: (group) => entriesOf(group).some(isPart),
    part: { list: "hooks", value: entry, isPart },
  };
}

function isOwn({ hook, part }: HookMember, group: unknown): boolean {
  return !hasConditions(group) && isAsWritten(entriesOf(group).find(part.isPart), hook);
}

/** Whether there are hooks of others in the group. */
function isShared({ part }: HookMember, group: unknown): boolean {
  return entriesOf(group).some((entry) => !part.isPart(entry));
}

function put(file: JsonFile, text: string | undefined, member: HookMember): string {
  const group = file.read(text, member);
  if (text === undefined || !isShared(member, group)) return file.put(text, member);
  // In its place, since hosts know the others by theirs.
  if (!hasConditions(group)) return file.putPart(text, member, member.part);
  const without = file.putPart(text, member, { ...member.part, value: undefined });
  return file.put(without, member);
}
