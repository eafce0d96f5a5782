//! What goes wrong inside the store, and how it is told outside.

use dovvybuddy_core::store::StoreError;

const SQLITE_CORRUPT: i32 = 11;
const SQLITE_NOTADB: i32 = 26;

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
        let corrupt = match &error {
            sqlx::Error::Database(cause) => {
                // Extended codes carry the primary code in the low byte.
                let code = cause.code().and_then(|code| code.parse::<i32>().ok()).map_or(0, |code| code & 0xff);
                matches!(code, SQLITE_CORRUPT | SQLITE_NOTADB)
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
            _ => false,
        };
        if corrupt {
            Self(StoreError::Corrupt(Box::new(error)))
        } else {
            Self(StoreError::Unavailable(Box::new(error)))
        }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self(StoreError::Corrupt(Box::new(error)))
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self(StoreError::Unavailable(Box::new(error)))
    }
}
