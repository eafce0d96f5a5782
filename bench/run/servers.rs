//! The programs under load: started, waited for, and ended with the value that stands for them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dovvybuddy_bench::BoxError;
use dovvybuddy_bench::client::{Connection, get};
use tokio::time::{Instant, sleep, timeout};

/// How long a server may take to answer `/health`.
const START: Duration = Duration::from_secs(30);
/// How long a server may take to stop softly.
const STOP: Duration = Duration::from_secs(30);

/// Where programs and data lie.
pub(crate) struct Places {
    /// The programs.
    bin: PathBuf,
    /// Databases, corpus, logs; removed at the end.
    pub(crate) work: PathBuf,
}

impl Places {
    pub(crate) fn make(work: &Path) -> Result<Self, BoxError> {
        let bin = std::env::current_exe()?.parent().ok_or("this program lies nowhere")?.to_owned();
        // Beside other runs, and out of the way of whatever else lies there.
        let work = work.join(format!("run-{}", std::process::id()));
        fs::create_dir_all(&work)?;
        Ok(Self { bin, work: work.canonicalize()? })
    }

    pub(crate) fn program(&self, name: &str) -> Result<PathBuf, BoxError> {
        let path = self.bin.join(name);
        if path.is_file() { Ok(path) } else { Err(format!("there is no {}; build it first", path.display()).into()) }
    }

    /// A path for a fresh database.
    pub(crate) fn database(&self, name: &str) -> PathBuf {
        for ending in ["", "-wal", "-shm", ".lock"] {
            // Mostly there is none.
            let _ = fs::remove_file(self.work.join(format!("{name}.db{ending}")));
        }
        self.work.join(format!("{name}.db"))
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.work) {
            eprintln!("{} could not be removed: {error}", self.work.display());
        }
    }
}

/// An address nobody listens on now.
pub(crate) fn free_address() -> Result<SocketAddr, BoxError> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A running program; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
}

/// How to start a program.
pub(crate) struct Start<'a> {
    pub(crate) program: &'a str,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(&'a str, OsString)>,
    pub(crate) addr: SocketAddr,
}

impl Server {
    /// Starts a program in the working directory; its output goes to a file there.
    pub(crate) fn spawn(places: &Places, start: Start<'_>) -> Result<Self, BoxError> {
        let log = File::create(places.work.join(format!("{}-{}.log", start.program, start.addr.port())))?;
        let mut command = Command::new(places.program(start.program)?);
        // Nobody's keys or settings may change what is measured.
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| kept(name)));
        command.args(start.args).envs(start.env).current_dir(&places.work);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self { child: command.spawn()?, addr: start.addr })
    }

    /// Starts a program and waits until it answers.
    pub(crate) async fn start(places: &Places, start: Start<'_>) -> Result<Self, BoxError> {
        let name = start.program.to_owned();
        let mut server = Self::spawn(places, start)?;
        server.answers("/health", START).await.map_err(|error| format!("{name}: {error}"))?;
        Ok(server)
    }

    /// Waits for the first 200 of a path and tells how long it took from now.
    pub(crate) async fn answers(&mut self, path: &str, patience: Duration) -> Result<Duration, BoxError> {
        let began = Instant::now();
        while began.elapsed() < patience {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended by itself: {status}").into());
            }
            if timeout(Duration::from_secs(1), status_of(self.addr, path)).await == Ok(Some(200)) {
                return Ok(began.elapsed());
            }
            sleep(Duration::from_millis(1)).await;
        }
        Err(format!("no 200 from {path} in {patience:?}").into())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the program to stop and waits until it did.
    pub(crate) async fn stop(mut self) -> Result<(), BoxError> {
        Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        let began = Instant::now();
        while began.elapsed() < STOP {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err("it did not stop when asked".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kept(name: &std::ffi::OsStr) -> bool {
    ["PATH", "HOME", "TMPDIR", "LANG"].iter().any(|kept| name == *kept)
}

async fn status_of(addr: SocketAddr, path: &str) -> Option<u16> {
    let mut connection = Connection::open(addr).await.ok()?;
    connection.send(&get(path)).await.ok()
}

/// What the floor does in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Everything.
    Whole,
    /// Everything, asking the model for a stream.
    WholeStreaming,
    /// Storing alone: what an agent that echoes is measured by.
    Spine,
    /// The same without a sync at every commit.
    SpineNormal,
}

/// Starts the floor.
pub(crate) async fn floor(places: &Places, kind: Floor, model: SocketAddr) -> Result<Server, BoxError> {
    let addr = free_address()?;
    let mut args: Vec<OsString> = vec!["--bind".into(), addr.to_string().into()];
    args.extend(["--db".into(), places.database(&format!("floor-{kind:?}")).into()]);
    match kind {
        Floor::Whole | Floor::WholeStreaming => args.extend(["--model".into(), format!("http://{model}/v1").into()]),
        Floor::Spine | Floor::SpineNormal => args.extend(["--no-model".into(), "--no-search".into()]),
    }
    match kind {
        Floor::WholeStreaming => args.push("--model-stream".into()),
        Floor::SpineNormal => args.extend(["--synchronous".into(), "normal".into()]),
        Floor::Whole | Floor::Spine => {}
    }
    Server::start(places, Start { program: "bench-floor", args, env: Vec::new(), addr }).await
}

/// When the spine's store syncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// At every commit, as the daemon does.
    Full,
    /// At checkpoints only: a loss of power takes the last commits.
    Normal,
    /// Never.
    Off,
}

/// Starts the spine. `slow` is the pause between the pieces of its echo.
pub(crate) async fn spine(places: &Places, slow: Option<Duration>, sync: Sync) -> Result<Server, BoxError> {
    let addr = free_address()?;
    let database = match sync {
        Sync::Full => places.database("spine"),
        Sync::Normal => format!("sqlite:{}?synchronous=normal", places.database("spine-normal").display()).into(),
        Sync::Off => "sqlite::memory:".into(),
    };
    let mut args: Vec<OsString> = vec!["--bind".into(), addr.to_string().into(), "--db".into(), database.into()];
    if let Some(pause) = slow {
        args.extend(["--slow-ms".into(), pause.as_millis().to_string().into()]);
    }
    // The unsynced database lies on the same disk.
    let env = vec![("TMPDIR", places.work.clone().into_os_string())];
    Server::start(places, Start { program: "bench-spine", args, env, addr }).await
}

/// How the fake model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelPace {
    /// At once.
    Instant,
    /// After 200 ms, all at once.
    After200,
    /// Long enough for thousands of streams to be open meanwhile.
    Slow,
}

/// Starts the fake model.
pub(crate) async fn model(places: &Places, pace: ModelPace) -> Result<Server, BoxError> {
    let addr = free_address()?;
    let first_token_ms = match pace {
        ModelPace::Instant => "0",
        ModelPace::After200 => "200",
        ModelPace::Slow => "10000",
    };
    let mut args: Vec<OsString> = vec!["model".into(), "--port".into(), addr.port().to_string().into()];
    args.extend(["--fault", "instant", "--first-token-ms", first_token_ms].map(OsString::from));
    let mut server = Server::spawn(places, Start { program: "dovvybuddy-fakes", args, env: Vec::new(), addr })?;
    server.answers("/v1/models", START).await.map_err(|error| format!("the fake model: {error}"))?;
    Ok(server)
}
