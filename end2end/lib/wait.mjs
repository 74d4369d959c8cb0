// Waiting for a condition that lies outside the page's own locators.

const DEADLINE_MS = 30_000;
const POLL_MS = 25;

/**
 * Calls `ask` until it gives something truthy, and returns that. What it throws counts as "not yet" and is told at the end.
 *
 * @template T
 * @param {string} what for the message: "… did not happen within …"
 * @param {() => T | Promise<T>} ask
 */
export async function until(what, ask, deadlineMs = DEADLINE_MS) {
  const end = Date.now() + deadlineMs;
  let last;
  for (;;) {
    try {
      last = await ask();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= end) throw new Error(`${what}: not within ${deadlineMs} ms (last: ${last?.stack ?? JSON.stringify(last)})`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
