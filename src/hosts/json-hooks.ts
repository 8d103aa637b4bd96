import { hookElement, isHookElement, runsHook, type HookTable } from "./doorbell/hook.js";
import type { ConfigChange, ConfigEntry } from "./installer.js";
import type { JsonDialect } from "./json-document.js";
import { JsonFile } from "./json-file.js";
import type { JsonMember } from "./json-member.js";
import type { ServerCommand } from "./server-command.js";

/** The change that puts the doorbell's hooks into a JSON file, after those of others. */
export function jsonHooks(options: {
  path: string;
  dialect: JsonDialect;
  table: HookTable;
  server: ServerCommand;
}): ConfigChange {
  const { path, server, table } = options;
  const file = new JsonFile(path, options.dialect);
  const members = table.hooks.map((hook) => ({
    hook,
    within: ["hooks", hook.event],
    name: undefined,
    value: hookElement(server, table.host, hook),
    isElement: (element: unknown) => runsHook(element, table.host, hook),
  }));
  return {
    path,
    entry(text): ConfigEntry {
      const present = members.flatMap((member) => {
        const element = file.read(text, member);
        return element === undefined ? [] : [{ hook: member.hook, element }];
      });
      if (present.length === 0) return { kind: "absent", shown: "" };
      const edited = present.filter(({ hook, element }) => !isHookElement(element, hook));
      const kind = edited.length === 0 ? "own" : "edited";
      const shown = (kind === "own" ? present : edited).map(({ element }) => element);
      return { kind, shown: JSON.stringify(shown, null, 2) };
    },
    put: (text) =>
      members.reduce<string | undefined>((before, member) => file.put(before, member), text) ?? "",
    remove(text, before) {
      return members.reduceRight<string | undefined>(
        (rest, member: JsonMember) =>
          rest === undefined ? undefined : file.remove(rest, member, before),
        text,
      );
    },
  };
}
