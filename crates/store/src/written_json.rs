//! JSON that is stored as it was written. sqlx hands JSON to PostgreSQL as `jsonb`, which sorts the members of an object; what people
//! and models wrote would come back in another order than it was shown and hashed in, while SQLite keeps it.

use serde::Serialize;
use sqlx::{
    Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, types::Oid},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo},
};

/// `json` of pg_type(5), which keeps the text.
const JSON: Oid = Oid(114);

/// For parts of messages and results: the one kind of JSON whose order was somebody else's choice.
pub(crate) struct WrittenJson<T>(pub(crate) T);

impl<T> Type<Postgres> for WrittenJson<T> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(JSON)
    }
}

impl<T: Serialize> Encode<'_, Postgres> for WrittenJson<T> {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        serde_json::to_writer(&mut **buf, &self.0)?;
        Ok(IsNull::No)
    }
}

impl<T> Type<Sqlite> for WrittenJson<T> {
    fn type_info() -> SqliteTypeInfo {
        <String as Type<Sqlite>>::type_info()
    }
}

impl<T: Serialize> Encode<'_, Sqlite> for WrittenJson<T> {
    fn encode_by_ref(&self, buf: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(serde_json::to_string(&self.0)?, buf)
    }
}
