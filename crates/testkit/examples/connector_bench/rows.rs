//! What calls over REST left behind, read past the store beside the running server.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use serde_json::json;
use sqlx::{Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

/// Named as for `patchbay serve`; no argument, because the process list shows those.
const DATABASE: &str = "PATCHBAY_DATABASE_URL";
const INTENTS: &str = "SELECT count(*) FROM audit_log WHERE action = 'server.tool_called'";
const OUTCOMES: &str = "SELECT count(*) FROM audit_log WHERE action = 'server.tool_answered'";

/// Prints both counts as JSON.
pub(crate) async fn print() -> Result<()> {
    let database = std::env::var(DATABASE).with_context(|| format!("{DATABASE} names the database"))?;
    let (intents, outcomes) = if let Some(path) = database.strip_prefix("sqlite:") {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let intents = sqlx::query_scalar::<_, i64>(INTENTS).fetch_one(&mut connection).await?;
        (intents, sqlx::query_scalar::<_, i64>(OUTCOMES).fetch_one(&mut connection).await?)
    } else {
        let mut connection = PgConnection::connect(&database).await?;
        let intents = sqlx::query_scalar::<_, i64>(INTENTS).fetch_one(&mut connection).await?;
        (intents, sqlx::query_scalar::<_, i64>(OUTCOMES).fetch_one(&mut connection).await?)
    };
    writeln!(io::stdout(), "{}", json!({ "intents": intents, "outcomes": outcomes }))?;
    Ok(())
}
