// A chat page as a test sees it.

import { until } from './wait.mjs';

/** Writes and sends a message with Enter. The page must be alive. */
export async function send(page, text) {
  const field = page.getByLabel('Message', { exact: true });
  await field.fill(text);
  await field.press('Enter');
}

/**
 * Waits until the transcript holds `answers` answers and no turn runs. In this order: right after a message is sent its turn does not
 * run yet.
 */
export async function turnOver(page, answers = 1) {
  await until(`${answers} answers`, async () => (await page.getByTestId('answer').count()) >= answers);
  await page.locator('article.chat[data-status=waiting]').waitFor();
}

/** What is to be read of the transcript, as a person sees it. */
export async function transcriptText(page) {
  return (await page.locator('.chat-column').innerText()).trim();
}

/**
 * From now on notes every label and state that any tool call of this document shows. An observer and no poll: what is on screen
 * for one frame only counts too.
 */
export async function watchCalls(page) {
  await page.evaluate(() => {
    const seen = [];
    const last = new Map();
    const look = () => {
      document.querySelectorAll('[data-testid=tool-call]').forEach((call, index) => {
        const entry = { index, label: call.querySelector('[data-testid=tool-label]').textContent, state: call.dataset.state };
        const text = JSON.stringify(entry);
        if (last.get(index) === text) return;
        last.set(index, text);
        seen.push({ ...entry, at: performance.now() });
      });
    };
    const options = { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['data-state'] };
    new MutationObserver(look).observe(document.body, options);
    globalThis.patchbaySeen = seen;
  });
}

/** What [`watchCalls`] noted: `{index, label, state, at}` in order, `at` in milliseconds. */
export function seenCalls(page) {
  return page.evaluate(() => globalThis.patchbaySeen);
}

/** The different labels that were shown while streaming and are proper beginnings of `label`, in order. */
export function growingLabels(seen, label) {
  const parts = seen
    .filter((entry) => entry.state === 'streaming')
    // A growing label may end in an ellipsis.
    .map((entry) => entry.label.replace(/…$/, ''))
    .filter((text) => text && text !== label && label.startsWith(text));
  return [...new Set(parts)];
}
