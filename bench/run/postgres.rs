//! Spine and floor on a Postgres server, and what a turn asks of it.

use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_bench::generator::{self, Ask, Plan};
use dovvybuddy_bench::trips::Counter;
use dovvybuddy_bench::{BoxError, corpus, process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};
use url::Url;

use crate::Bench;
use crate::report::{Goal, Report};
use crate::rounds::{Runner, alternate};
use crate::servers::{Places, Server, Start, free_address};

const SECTION: &str = "On Postgres, 50 at once";
const AT_ONCE: usize = 50;
/// How long trips and the database's CPU are counted.
const COUNTED: Duration = Duration::from_secs(3);

/// A database of the server's; removed at the end by [`Scratch::remove`].
pub(crate) struct Scratch {
    server: String,
    name: String,
    pub(crate) url: Url,
}

impl Scratch {
    pub(crate) async fn make(bench: &Bench, purpose: &str) -> Result<Self, BoxError> {
        let server = bench.postgres.clone().ok_or("name a server with --postgres")?;
        let name = format!("dovvy_bench_{purpose}_{}", std::process::id());
        let mut conn = connect(&server).await?;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut conn).await?;
        conn.close().await?;
        let mut url = Url::parse(&server)?;
        url.set_path(&name);
        Ok(Self { server, name, url })
    }

    pub(crate) async fn connect(&self) -> Result<PgConnection, BoxError> {
        connect(self.url.as_str()).await
    }

    pub(crate) async fn remove(self) -> Result<(), BoxError> {
        let mut conn = connect(&self.server).await?;
        let gone = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sqlx::query(AssertSqlSafe(gone)).execute(&mut conn).await?;
        Ok(())
    }

    /// The same database past a counter.
    fn through(&self, counter: &Counter) -> Result<Url, BoxError> {
        let mut url = self.url.clone();
        url.set_host(Some(&counter.addr.ip().to_string()))?;
        url.set_port(Some(counter.addr.port())).map_err(|()| "the server's address takes no port")?;
        Ok(url)
    }

    fn addr(&self) -> Result<SocketAddr, BoxError> {
        let host = self.url.host_str().unwrap_or("127.0.0.1");
        let port = self.url.port().unwrap_or(5432);
        (host, port).to_socket_addrs()?.next().ok_or_else(|| "the server's address leads nowhere".into())
    }
}

async fn connect(url: &str) -> Result<PgConnection, BoxError> {
    Ok(PgConnectOptions::from_str(url)?.disable_statement_logging().connect().await?)
}

/// What syncing is worth depends on the server's settings; they are part of the result.
async fn settings(scratch: &Scratch) -> Result<String, BoxError> {
    let read = "SELECT 'Postgres ' || current_setting('server_version') || ', fsync ' || current_setting('fsync')
                || ', synchronous_commit ' || current_setting('synchronous_commit')";
    Ok(sqlx::query(read).fetch_one(&mut scratch.connect().await?).await?.try_get(0)?)
}

/// CPU seconds of the server's processes so far; those that the operating system shows.
async fn cpu_of_server(scratch: &Scratch) -> Result<f64, BoxError> {
    let pids = sqlx::query("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        .fetch_all(&mut scratch.connect().await?)
        .await?;
    let cpu = |pid: i32| process::cpu_seconds(u32::try_from(pid).ok()?);
    Ok(pids.iter().filter_map(|row| cpu(row.try_get(0).ok()?)).sum())
}

async fn start(places: &Places, program: &str, url: &Url) -> Result<Server, BoxError> {
    let addr = free_address()?;
    let mut args: Vec<OsString> = vec!["--bind".into(), addr.to_string().into(), "--db".into(), url.as_str().into()];
    if program == "bench-floor" {
        args.push("--no-model".into());
    }
    Server::start(places, Start { program, args, env: Vec::new(), addr }).await
}

fn plan(server: &Server, duration: Duration) -> Plan {
    Plan {
        addr: server.addr,
        ask: Ask::Chat,
        conversations: AT_ONCE,
        warm_up: Duration::ZERO,
        duration,
        stagger: Duration::from_millis(200),
        questions: corpus::questions(500).into(),
        fresh_searches: false,
        expects: None,
        pid: Some(server.pid()),
        helpers: Vec::new(),
    }
}

/// Turns a second against the floor, which stores message and reply and scans vectors in memory.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<(), BoxError> {
    let (floors, ours) = (Scratch::make(bench, "floor").await?, Scratch::make(bench, "spine").await?);
    report.note(settings(&ours).await?);
    let measured = compare(bench, &floors, &ours, report).await;
    floors.remove().await?;
    ours.remove().await?;
    measured
}

async fn compare(bench: &Bench, floors: &Scratch, ours: &Scratch, report: &mut Report) -> Result<(), BoxError> {
    let floor = start(&bench.places, "bench-floor", &floors.url).await?;
    let spine = start(&bench.places, "bench-spine", &ours.url).await?;
    let runners = [Runner::chat("floor on Postgres", &floor), Runner::chat("spine on Postgres", &spine)];
    let rounds = alternate(bench, &runners, AT_ONCE, report).await?;
    let [bare, own] = rounds.as_slice() else { return Ok(()) };
    let sound = bare.sound() && own.sound();
    for (name, rounds) in [("floor", bare), ("spine", own)] {
        report.figure(SECTION, name, rounds.per_second(), "turns/s", Goal::None.unless_void(rounds.sound()));
        report.figure(SECTION, format!("{name}, CPU"), rounds.cpu_ms(), "ms/turn", Goal::None);
    }
    report.figure(SECTION, "spine ÷ floor", own.ratio_to(bare), "of it", Goal::AtLeast(0.6).unless_void(sound));
    for (name, server, scratch) in [("floor", &floor, floors), ("spine", &spine, ours)] {
        let before = cpu_of_server(scratch).await?;
        let round = generator::run(&plan(server, COUNTED)).await;
        let spent = cpu_of_server(scratch).await? - before;
        #[expect(clippy::cast_precision_loss, reason = "some ten thousand turns")]
        let each = spent * 1000.0 / round.turns.max(1) as f64;
        report.figure(SECTION, format!("{name}, CPU of the database"), each, "ms/turn", Goal::None);
    }
    drop(runners);
    spine.stop().await.or_else(|_| Ok::<_, BoxError>(()))?;
    trips(bench, ours, report).await
}

/// Trips of a turn, with a counter between spine and server; without load too, which is taken off.
async fn trips(bench: &Bench, ours: &Scratch, report: &mut Report) -> Result<(), BoxError> {
    let counter = Arc::new(Counter::start(ours.addr()?).await?);
    let spine = start(&bench.places, "bench-spine", &ours.through(&counter)?).await?;
    // Connections and prepared statements are made once.
    generator::run(&plan(&spine, COUNTED)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = counter.trips();
    tokio::time::sleep(COUNTED).await;
    let idle = counter.trips() - idle;
    let before = counter.trips();
    let round = generator::run(&plan(&spine, COUNTED)).await;
    let counted = (counter.trips() - before).saturating_sub(idle);
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    let each = counted as f64 / round.turns.max(1) as f64;
    report.figure(SECTION, "round trips", each, "a turn", Goal::AtMost(4.0));
    Ok(())
}
