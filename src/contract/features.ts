/**
 * What a broker does that one of another version may not do. A client looks whether a word is there, and
 * never at the version. Words are added, and stay.
 */
export const features = [
  "delete-peer",
  "entry-status",
  "get-peer",
  "known-peers",
  "moderation",
  "sender-renamed",
] as const;
