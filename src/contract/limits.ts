/** A peer's name, in characters. */
export const maxNameLength = 40;
