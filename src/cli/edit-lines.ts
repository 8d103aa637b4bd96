import { visibleText } from "../contract/peer-text.js";
import type { ConfigEdit } from "../hosts/config-edit.js";
import type { Installer } from "../hosts/installer.js";
import { difference } from "./difference.js";
import type { Output } from "./output.js";

/** A planned edit for people to read, and exact. */
export function editLines(host: Installer, edit: ConfigEdit, { color }: Output): string[] {
  const { file, after } = edit;
  const whole =
    file.text === undefined ? " (a new file)" : after === undefined ? " (the file goes)" : "";
  return [
    `${host.title}: ${file.path}${whole}`,
    ...difference(file.text ?? "", after ?? "").map((line) => {
      const shown = visibleText(line);
      if (line.startsWith("+")) return color.green(shown);
      return line.startsWith("-") ? color.red(shown) : shown;
    }),
  ];
}
