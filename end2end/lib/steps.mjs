// Tests of one story on one page: each step needs the one before.

import { it } from 'node:test';

/** Gives an `it` whose later steps are skipped once one has failed: the run is red already, and waiting would tell nothing new. */
export function steps() {
  let failed;
  return (name, run) =>
    it(name, async (context) => {
      if (failed) return context.skip(`because "${failed}" failed`);
      try {
        await run(context);
      } catch (error) {
        failed = name;
        throw error;
      }
    });
}
