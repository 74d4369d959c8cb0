// What the provider remembers, in a map that a test's control can reach. The library's own memory is closed.

/** Everything by `Model:id`. Nothing is evicted: a test is short, and used refresh tokens must be known again. */
export class Storage {
  rows = new Map();

  /** The adapter of one model, in the form that the library wants. */
  adapter(model) {
    const rows = this.rows;
    const key = (id) => `${model}:${id}`;
    const byField = (field, value) => this.of(model).find((row) => row[field] === value);
    return {
      upsert: async (id, payload) => void rows.set(key(id), { ...payload }),
      find: async (id) => rows.get(key(id)),
      findByUid: async (uid) => byField('uid', uid),
      findByUserCode: async (code) => byField('userCode', code),
      consume: async (id) => {
        rows.get(key(id)).consumed = Math.floor(Date.now() / 1000);
      },
      destroy: async (id) => void rows.delete(key(id)),
      revokeByGrantId: async (grantId) => this.drop((row, name) => name.startsWith(`${model}:`) && row.grantId === grantId),
    };
  }

  /** All rows of a model. */
  of(model) {
    return [...this.rows].filter(([name]) => name.startsWith(`${model}:`)).map(([, row]) => row);
  }

  /** Deletes what `unwanted(row, key)` names. */
  drop(unwanted) {
    for (const [name, row] of this.rows) if (unwanted(row, name)) this.rows.delete(name);
  }
}
