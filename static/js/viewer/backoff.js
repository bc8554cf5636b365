// How long to wait before the next try: 1, 2, 4 … seconds, spread so that a thousand viewers do not knock together.

/** Milliseconds; `longest` in seconds. */
export function delay(failures, longest) {
  const step = Math.min(longest, 2 ** Math.max(0, failures - 1));
  return step * (0.75 + Math.random() / 2) * 1000;
}
