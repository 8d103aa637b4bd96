import { existsSync } from "node:fs";
import { settingNames, settings } from "../../contract/settings.js";
import { readBrokerSettings } from "../../endpoint/broker-settings.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { settingsPathIn } from "../../endpoint/home.js";
import { notYetInForce, settingsInForce } from "../commands/config.js";
import { count } from "../print/words.js";
import { advise } from "./advice.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** What the operator has set in `broker.toml`, and whether the broker that runs keeps to it. */
export async function checkSettings({
  config,
  home,
  broker,
  self,
}: Evidence): Promise<readonly Finding[]> {
  const subject = settingsPathIn(home.path);
  if (!config.ownsBroker || home.state !== "usable" || !existsSync(subject)) return [];
  try {
    const values = await readBrokerSettings(subject);
    const inForce = broker.state === "running" ? settingsInForce(broker.info) : undefined;
    const changed = inForce === undefined ? [] : notYetInForce(values, inForce);
    if (changed.length > 0) {
      const seen = `the broker that runs has not read it yet: ${changed.join(", ")}`;
      const advice = advise([`${self} stop`], "agents that run start it again");
      return [{ id: "broker-settings-unread", severity: "warning", subject, seen, ...advice }];
    }
    const set = settingNames.filter((name) => values[name] !== settings[name].usual);
    const seen = `${count(set.length, "setting")} other than usual${set.length > 0 ? `: ${set.join(", ")}` : ""}`;
    return [{ id: "broker-settings", severity: "ok", subject, seen }];
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    const fix = "Correct that line, or move the file away: no broker starts with it as it is";
    return [
      { id: "broker-settings-invalid", severity: "problem", subject, seen: error.message, fix },
    ];
  }
}
