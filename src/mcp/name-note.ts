/** What an agent has to be told when its name is not the one that it, or others, count on. */
export function explainName(names: {
  now: string;
  /** The name of the peer that the agent was until now. */
  before: string | undefined;
  /** What PEERLINE_NAME asks for. */
  asked: string | undefined;
}): string | undefined {
  const { now, before, asked } = names;
  if (before !== undefined) return `you are ${now} now: ${before} is another agent from here on`;
  if (asked === undefined || asked === now) return undefined;
  const isNumbered = now.startsWith(`${asked}-`) && /^\d+$/.test(now.slice(asked.length + 1));
  if (isNumbered) return `you are ${now}: ${asked} is another agent`;
  return `you are ${now}, as before in this conversation, though PEERLINE_NAME asks for ${asked}`;
}
