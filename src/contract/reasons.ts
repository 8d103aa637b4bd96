/** How the broker ends the sentence on a name that nobody has; each client says which of its words help. */
export const seeNames = "list the peers to see their names";
