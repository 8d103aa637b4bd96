import { describe } from "vitest";
import { defineBounds } from "./gateways/bounds.js";
import { defineMachines } from "./gateways/machines.js";
import { defineMail } from "./gateways/mail.js";
import { defineRecords } from "./gateways/records.js";
import { defineSessions } from "./gateways/sessions.js";
import { defineWanderers } from "./gateways/wanderers.js";
import type { SharedTechnology } from "./gateways/two-gateways.js";

/** What holds for several brokers over one store, whatever that is. */
export function defineGatewayContract(technology: SharedTechnology): void {
  describe(`several brokers over one ${technology.name} store`, () => {
    defineRecords(technology);
    defineSessions(technology);
    defineMail(technology);
    defineMachines(technology);
    defineBounds(technology);
    defineWanderers(technology);
  });
}
