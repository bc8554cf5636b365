// The delay before the next attempt: 1, 2, 4 … seconds, randomized so that viewers do not all reconnect at once.

/** Return milliseconds; `longest` is in seconds. */
export function delay(failures, longest) {
  const step = Math.min(longest, 2 ** Math.max(0, failures - 1));
  return step * (0.75 + Math.random() / 2) * 1000;
}
