//! A database of its own for each test, on a real server: that of `TEST_DATABASE_URL`, or the one that
//! `scripts/setup-postgres` starts. Where `TEST_POOLER_URL` names a pooler before that server, what is tested goes
//! through it.

use std::path::Path;
use std::process::Command;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};
use url::Url;

pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// An empty database; removed when dropped.
#[derive(Debug)]
pub struct Database {
    server: String,
    name: String,
    url: String,
    pooled: Option<String>,
}

impl Database {
    /// Makes one.
    ///
    /// # Errors
    /// When there is no server or it can't be used.
    pub async fn create() -> Result<Self, Failed> {
        let server = tokio::task::spawn_blocking(server).await??;
        let mut conn = connect(&server).await?;
        let begun: String = sqlx::query("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text")
            .fetch_one(&mut conn)
            .await?
            .try_get(0)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("dovvy_test_{begun}_{}_{number}", std::process::id());
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut conn).await?;
        conn.close().await?;
        let within = |server: &str| {
            let mut url = Url::parse(server)?;
            url.set_path(&name);
            Ok::<String, Failed>(url.into())
        };
        let url = within(&server)?;
        let before = std::env::var("TEST_POOLER_URL").ok().filter(|url| !url.is_empty());
        let pooled = before.map(|url| within(&url)).transpose()?;
        Ok(Self { server, name, url, pooled })
    }

    /// Its address, past any pooler.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The address to work with, and the one past the pooler if that is a pooler's.
    pub fn urls(&self) -> (String, Option<String>) {
        match &self.pooled {
            Some(pooled) => (pooled.clone(), Some(self.url())),
            None => (self.url(), None),
        }
    }

    /// A connection to it, past everything that is tested.
    ///
    /// # Errors
    /// When it can't be reached.
    pub async fn connect(&self) -> Result<PgConnection, Failed> {
        connect(&self.url()).await
    }

    /// Lets nobody connect any more, and ends every connection: the database is gone for its clients.
    ///
    /// # Errors
    /// When the server can't be used.
    pub async fn vanish(&self) -> Result<(), Failed> {
        self.run(&["ALTER DATABASE {} ALLOW_CONNECTIONS false", END_ALL]).await
    }

    /// Lets clients connect again.
    ///
    /// # Errors
    /// When the server can't be used.
    pub async fn appear(&self) -> Result<(), Failed> {
        self.run(&["ALTER DATABASE {} ALLOW_CONNECTIONS true"]).await
    }

    /// Ends every connection, as a restart of the server does; new ones are taken at once.
    ///
    /// # Errors
    /// When the server can't be used.
    pub async fn cut(&self) -> Result<(), Failed> {
        self.run(&[END_ALL]).await
    }

    async fn run(&self, statements: &[&str]) -> Result<(), Failed> {
        let mut conn = connect(&self.server).await?;
        for statement in statements {
            sqlx::query(AssertSqlSafe(statement.replace("{}", &self.name))).execute(&mut conn).await?;
        }
        conn.close().await?;
        Ok(())
    }
}

const END_ALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'";

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A test may end inside a runtime, where nothing may be waited for.
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut conn = connect(&server).await?;
                sqlx::query(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
                    .execute(&mut conn)
                    .await?;
                Ok::<_, Failed>(())
            })
        });
        if !matches!(removed.join(), Ok(Ok(()))) {
            eprintln!("the database {} could not be removed", self.name);
        }
    }
}

pub(crate) async fn connect(url: &str) -> Result<PgConnection, Failed> {
    Ok(PgConnectOptions::from_str(url)?.disable_statement_logging().connect().await?)
}

/// The address of the server.
fn server() -> Result<String, Failed> {
    if let Ok(url) = std::env::var("TEST_DATABASE_URL")
        && !url.is_empty()
    {
        return Ok(url);
    }
    Ok(setup(&["start"])?.trim().to_owned())
}

/// What `scripts/setup-postgres` says.
pub(crate) fn setup(arguments: &[&str]) -> Result<String, Failed> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/setup-postgres");
    let told = Command::new(script).args(arguments).output()?;
    if !told.status.success() {
        let why = String::from_utf8_lossy(&told.stderr).into_owned();
        return Err(format!("no Postgres server for the tests: {why}").into());
    }
    Ok(String::from_utf8(told.stdout)?)
}
