//! The same statement on either engine. Only one arm runs, so binds may be moved.

/// All rows as `$row`.
macro_rules! fetch_all {
    ($session:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $session.engine() {
            $crate::session::Engine::Sqlite(c) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(c).await,
            $crate::session::Engine::Postgres(c) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(c).await,
        }
        .map_err($crate::StoreError::from)
    };
}

/// One row or none.
macro_rules! fetch_optional {
    ($session:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $session.engine() {
            $crate::session::Engine::Sqlite(c) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(c).await,
            $crate::session::Engine::Postgres(c) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(c).await,
        }
        .map_err($crate::StoreError::from)
    };
}

/// Exactly one row.
macro_rules! fetch_one {
    ($session:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $session.engine() {
            $crate::session::Engine::Sqlite(c) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_one(c).await,
            $crate::session::Engine::Postgres(c) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_one(c).await,
        }
        .map_err($crate::StoreError::from)
    };
}

/// Runs a statement; the number of rows it touched.
macro_rules! execute {
    ($session:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $session.engine() {
            $crate::session::Engine::Sqlite(c) => {
                sqlx::query($sql)$(.bind($bind))*.execute(c).await.map(|done| done.rows_affected())
            }
            $crate::session::Engine::Postgres(c) => {
                sqlx::query($sql)$(.bind($bind))*.execute(c).await.map(|done| done.rows_affected())
            }
        }
        .map_err($crate::StoreError::from)
    };
}
