import { EndpointError } from "./endpoint-error.js";
import { parseToml } from "./settings-file.js";
import { openSettingsEdit } from "./settings-edit.js";
import { storeKey } from "./store-settings.js";

/**
 * Sets the line `store` of `broker.toml`; every other byte of the file stays. CONFIG_INVALID where the file
 * says it in a form that cannot be changed safely. Then it is left as it is.
 */
export async function setStoreSetting(path: string, value: string): Promise<void> {
  const edit = await openSettingsEdit(path);
  const before = edit.text ?? "";
  // A string of JSON is one of TOML. What cannot be in a URL of NATS needs no care here.
  const line = `${storeKey} = ${JSON.stringify(value)}`;
  const isSet = ownLine.test(before);
  const after = isSet
    ? before.replace(ownLine, (_all, start: string) => `${start}${line}`)
    : before.replace(byteOrderMark, (mark) => `${mark}${line}\n`);
  const tables = await parseToml(path, Buffer.from(after, "latin1").toString()).catch(() => ({}));
  if ((tables as Record<string, unknown>)[storeKey] !== value) {
    const words = `${path} sets the store in a form that Peerline does not change: write ${line} there yourself.`;
    throw new EndpointError("CONFIG_INVALID", words);
  }
  await edit.write(after);
}

/** Above the first table, with a value in one line. What stands behind the value stays. */
const ownLine =
  /^((?:\u00EF\u00BB\u00BF)?(?:(?![ \t]*\[).*\r?\n)*?[ \t]*)store[ \t]*=[ \t]*(?:"[^"\\\r\n]*"|'[^'\r\n]*')/;

const byteOrderMark = /^(?:\u00EF\u00BB\u00BF)?/;
