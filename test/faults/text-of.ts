/** The text of a message of these tests, told by its id; from a few bytes to more than a page has. */
export function textOf(messageId: string): string {
  const length = 1 + (Number.parseInt(messageId.slice(0, 4), 16) % 8000);
  return messageId.repeat(Math.ceil(length / messageId.length)).slice(0, length);
}
