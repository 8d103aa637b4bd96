/** The end of the broker's sentence about an unknown name. Each client puts its own advice in its place. */
export const seeNames = "list the peers to see their names";
