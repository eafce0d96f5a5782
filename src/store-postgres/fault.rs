//! What goes wrong, what a second try may do about it, and how it is told outside.

use dovvybuddy_core::store::StoreError;

/// An error on its way to becoming a [`StoreError`]; exists so that `?` works on every cause.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) StoreError);

pub(crate) type Outcome<T> = Result<T, Fault>;

impl Fault {
    /// The store can't be used; `why` says what an operator can do about it.
    pub(crate) fn unavailable(why: impl Into<String>) -> Self {
        Self(StoreError::Unavailable(why.into().into()))
    }

    /// Stored data does not have the expected form.
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self(StoreError::Corrupt(what.into().into()))
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        fault.0
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self(StoreError::Corrupt(Box::new(error))),
            error => Self(StoreError::Unavailable(Box::new(error))),
        }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self(StoreError::Corrupt(Box::new(error)))
    }
}

/// What became of a statement that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It did nothing, and may succeed when it is tried again: a deadlock, a database that starts or has too many
    /// connections, a statement that took too long.
    Undone,
    /// The connection was lost, so it may have been carried out.
    Lost,
    /// Trying again would fail again.
    Final,
}

/// Judges an error by its class, <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(crate) fn judge(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::PoolTimedOut => Failure::Undone,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            Failure::Lost
        }
        sqlx::Error::Database(cause) => match cause.code().as_deref() {
            // serialization_failure, deadlock_detected, lock_not_available, query_canceled,
            // read_only_sql_transaction (a primary that became a standby), too_many_connections, cannot_connect_now
            Some("40001" | "40P01" | "55P03" | "57014" | "25006" | "53300" | "57P03") => Failure::Undone,
            // Connections that the server ends, and those that broke.
            Some(code) if code.starts_with("57P") || code.starts_with("08") => Failure::Lost,
            _ => Failure::Final,
        },
        _ => Failure::Final,
    }
}

/// Whether the connection leads to a server that takes no writes any more.
pub(crate) fn leads_astray(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(cause) if cause.code().as_deref() == Some("25006"))
}
