// How long to wait before the next try: 1, 2, 4 … 15 s, spread so that a thousand viewers do not knock together.
const LONGEST = 15; // seconds

export function delay(failures, random = Math.random()) {
  const step = Math.min(LONGEST, 2 ** Math.max(0, failures - 1));
  return step * (0.75 + random / 2) * 1000; // milliseconds
}
