import type { StoreInfo } from "../broker/store/store.js";

/** Of a store that one process holds. */
export const capabilitiesOfOneProcess: StoreInfo["capabilities"] = {
  several_brokers: { has: false, description: "one broker serves it" },
  exact_bounds: { has: true, description: "the bounds of queues and mail hold exactly" },
  message_ids_of_sender: {
    has: true,
    description:
      "a message id that was used for other content is refused whoever the recipients are",
  },
  shares_of_kept_mail: {
    has: true,
    description: "a sender's share counts all of its messages that are kept",
  },
};
