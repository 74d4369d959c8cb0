//! A million messages, written past the server: over REST it would take a day.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Messages in all, and in how many chats.
pub(super) const MESSAGES: usize = 1_000_000;
pub(super) const CHATS: usize = 2_000;

/// Copies a chat that has had a turn, with its messages over and over. The server is down meanwhile.
///
/// # Errors
/// When the database refuses, or there is no program to speak with it.
pub(super) fn fill(engine: &str, database: &str, template: &str) -> Result<()> {
    let each = MESSAGES / CHATS;
    let hex = template.replace('-', "");
    if engine == "sqlite" {
        let path = database.trim_start_matches("sqlite:");
        let columns =
            "chat_id, role, content, model_config_id, usage, interrupted, hidden, revision, created_at";
        // The ids of the copies are unlike all others: version 4, the number at the end.
        let script = format!(
            r#"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
t = bytes.fromhex("{hex}")
names = [row[1] for row in db.execute("PRAGMA table_info(chats)") if row[1] != "id"]
rest = ", ".join(names)
rows = db.execute("SELECT role, content, model_config_id, usage, interrupted, hidden, revision, created_at FROM messages WHERE chat_id = ? ORDER BY id", (t,)).fetchall()
for n in range({CHATS}):
    chat = bytes.fromhex("018f0000000040008000%012x" % n)
    db.execute("INSERT INTO chats (id, " + rest + ") SELECT ?, " + rest + " FROM chats WHERE id = ?", (chat, t))
    db.execute("UPDATE chats SET updated_at = updated_at - ? WHERE id = ?", (n * 1000000, chat))
    db.executemany("INSERT INTO messages ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [(chat,) + rows[k % len(rows)] for k in range({each})])
db.commit()
"#
        );
        let mut python = Command::new("python3");
        return process::output(python.args(["-c", &script, path]))
            .map(drop)
            .context("python3 with its module sqlite3 writes the million messages");
    }
    let sql = format!(
        r"
DO $$
DECLARE names TEXT; n INT;
BEGIN
  SELECT string_agg(column_name, ', ') INTO names FROM information_schema.columns
   WHERE table_schema = 'public' AND table_name = 'chats' AND column_name <> 'id';
  FOR n IN 0..{last} LOOP
    EXECUTE format('INSERT INTO chats (id, %s) SELECT %L::uuid, %s FROM chats WHERE id = %L', names,
      '018f0000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'), names, '{template}');
    EXECUTE format('UPDATE chats SET updated_at = updated_at - %s WHERE id = %L', n::bigint * 1000000,
      '018f0000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'));
  END LOOP;
END $$;
INSERT INTO messages (chat_id, role, content, model_config_id, usage, interrupted, hidden, revision, created_at)
SELECT ('018f0000-0000-4000-8000-' || lpad(to_hex(c), 12, '0'))::uuid, t.role, t.content, t.model_config_id, t.usage,
       t.interrupted, t.hidden, t.revision, t.created_at
  FROM generate_series(0, {last}) c CROSS JOIN generate_series(0, {times}) k
  CROSS JOIN LATERAL (SELECT * FROM messages WHERE chat_id = '{template}' ORDER BY id LIMIT 4) t;
ANALYZE;
",
        last = CHATS - 1,
        times = each / 4 - 1,
    );
    psql(database, &sql)
}

fn psql(database: &str, sql: &str) -> Result<()> {
    use std::io::Write as _;
    let mut command = Command::new("psql");
    command.args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", database]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("psql is not there")?;
    child.stdin.take().context("psql has no input")?.write_all(sql.as_bytes())?;
    let status = child.wait()?;
    if !status.success() {
        bail!("psql ended with {status}");
    }
    Ok(())
}

/// How large the database is on the disk, bytes; only of a file.
pub(super) fn size(database: &str) -> Option<u64> {
    let path = Path::new(database.strip_prefix("sqlite:")?);
    path.metadata().ok().map(|meta| meta.len())
}
