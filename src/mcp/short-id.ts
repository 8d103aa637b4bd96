/**
 * As much of a message id as a model needs to name the message again: its end, which is random where
 * its beginning is a time.
 */
export function shortId(messageId: string): string {
  return messageId.slice(-8);
}
