// Child processes that never outlive the test and whose output is at hand when one fails.

import { once } from 'node:events';

const STOP_DEADLINE_MS = 10_000;
const KEPT_OUTPUT_CHARS = 200_000;

/** Wraps a child process: collects its output, waits for lines, stops it. */
export class Child {
  constructor(process_, name) {
    this.process = process_;
    this.name = name;
    this.text = '';
    this.waiters = new Set();
    for (const stream of [process_.stdout, process_.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk) => this.#append(chunk));
    }
    this.exited = once(process_, 'exit').then(([code, signal]) => ({ code, signal }));
    this.exited.then(() => this.#wake());
    process.on('exit', this.#killNow);
  }

  /** Everything it wrote so far. */
  get output() {
    return this.text;
  }

  get running() {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Waits until the output matches and returns the match. Fails when the process ends or the deadline passes. */
  async waitFor(pattern, deadlineMs) {
    const end = Date.now() + deadlineMs;
    for (;;) {
      const match = this.text.match(pattern);
      if (match) return match;
      const left = end - Date.now();
      if (!this.running) throw new Error(`${this.name} ended before it said ${pattern}:\n${this.text}`);
      if (left <= 0) throw new Error(`${this.name} did not say ${pattern} within ${deadlineMs} ms:\n${this.text}`);
      await this.#change(left);
    }
  }

  /** Asks it to end and waits; kills it when it does not. Returns how it ended. */
  async stop(signal = 'SIGTERM') {
    if (this.running) {
      this.process.kill(signal);
      const timer = setTimeout(this.#killNow, STOP_DEADLINE_MS);
      await this.exited;
      clearTimeout(timer);
    }
    process.off('exit', this.#killNow);
    return this.exited;
  }

  #killNow = () => {
    if (this.running) this.process.kill('SIGKILL');
  };

  #append(chunk) {
    this.text = (this.text + chunk).slice(-KEPT_OUTPUT_CHARS);
    this.#wake();
  }

  #wake() {
    for (const wake of this.waiters) wake();
    this.waiters.clear();
  }

  #change(deadlineMs) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, deadlineMs);
      this.waiters.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
