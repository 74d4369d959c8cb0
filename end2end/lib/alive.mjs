// When is a server-rendered page alive? When its wasm has put its listeners on the elements. Typing or clicking earlier would
// reach a page that looks finished and does nothing yet.

import { until } from './wait.mjs';

/** Runs in every document before its scripts: each target remembers which events are listened to. */
export function watchListeners() {
  const key = Symbol.for('patchbay.listeners');
  const add = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function addAndRemember(type, ...rest) {
    (this[key] ??= new Set()).add(type);
    return add.call(this, type, ...rest);
  };
}

/**
 * Waits until the element listens.
 *
 * @param {import('playwright-core').Locator} locator
 * @param {string} type such as `click` or `submit`
 */
export function alive(locator, type) {
  return until(`${locator} listens to ${type}`, () =>
    locator.first().evaluate((element, type) => element[Symbol.for('patchbay.listeners')]?.has(type), type),
  );
}

/** Waits until any page of the shell is alive, by the theme switch that all of them have. */
export function shellAlive(page) {
  return alive(page.locator('.account-menu .segments button'), 'click');
}
