//! Addresses as people write them.

use sqlx::postgres::PgConnectOptions;
use std::str::FromStr as _;
use url::Url;

use crate::fault::{Fault, Outcome};

/// Whether an address names a Postgres database: `postgres://`, `postgresql://`, or with a driver's name as
/// `SQLAlchemy` writes it, `postgresql+asyncpg://`.
pub fn is_postgres(address: &str) -> bool {
    let scheme = address.split("://").next().unwrap_or_default();
    address.contains("://") && matches!(scheme.split('+').next(), Some("postgres" | "postgresql"))
}

/// How to connect. The reasons of a failure never repeat the address, which holds a password.
pub(crate) fn parse(address: &str) -> Outcome<PgConnectOptions> {
    let rest = address.split_once("://").filter(|_| is_postgres(address)).map(|(_, rest)| rest);
    let rest = rest.ok_or_else(|| Fault::unavailable("the database's address is none of Postgres"))?;
    let mut url = Url::parse(&format!("postgresql://{rest}"))
        .map_err(|error| Fault::unavailable(format!("the database's address can't be read: {error}")))?;
    // What asyncpg calls `ssl` is `sslmode` elsewhere.
    let query: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| (if name == "ssl" { "sslmode".into() } else { name.into_owned() }, value.into_owned()))
        .collect();
    url.set_query(None);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let options = PgConnectOptions::from_str(url.as_str())
        .map_err(|_| Fault::unavailable("the database's address can't be read: check host, port and parameters"))?;
    // Servers have written floating-point numbers exactly by themselves since version 12; a pooler may refuse to be asked.
    Ok(options.extra_float_digits(None))
}

/// The address without its password.
pub(crate) fn shown(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    format!("postgres://{}@{}:{}/{database}", options.get_username(), options.get_host(), options.get_port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_by_their_scheme() {
        for address in ["postgres://h/d", "postgresql://h/d", "postgresql+asyncpg://u:p@h:5432/d"] {
            assert!(is_postgres(address), "{address}");
        }
        for address in ["sqlite:x.db", "sqlite::memory:", "postgres", "mysql://h/d", "data/postgres.db"] {
            assert!(!is_postgres(address), "{address}");
        }
    }

    #[test]
    fn a_drivers_name_and_its_parameters_are_understood() {
        let options = parse("postgresql+asyncpg://ada:s%40cret@db.example:6432/dive?ssl=require").unwrap();
        assert_eq!((options.get_host(), options.get_port()), ("db.example", 6432));
        assert_eq!((options.get_username(), options.get_database()), ("ada", Some("dive")));
        assert!(matches!(options.get_ssl_mode(), sqlx::postgres::PgSslMode::Require));
        assert_eq!(shown(&options), "postgres://ada@db.example:6432/dive");
    }

    #[test]
    fn a_wrong_address_is_told_without_its_password() {
        for address in ["postgres://ada:geheim@h:port/d", "postgres://ada:geheim@h/d?sslmode=maybe"] {
            let told = dovvybuddy_core::store::StoreError::from(parse(address).unwrap_err()).to_string();
            assert!(!told.contains("geheim"), "{told}");
        }
    }
}
