//! A primary that dies and the standby that takes its place, behind one address, as a virtual address or a proxy has it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::{Connection as _, Row as _};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::postgres::{Failed, connect, setup};

/// How long a standby may take to catch up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two servers of their own; ended and removed when dropped.
#[derive(Debug)]
pub struct Pair {
    directory: String,
    primary: Url,
    standby: Url,
    address: SocketAddr,
    leads_to: Arc<Mutex<SocketAddr>>,
    _stop: DropGuard,
}

impl Pair {
    /// Starts both. The standby follows the primary, which does not wait for it.
    ///
    /// # Errors
    /// When they can't be started.
    pub async fn start() -> Result<Self, Failed> {
        let told = tokio::task::spawn_blocking(|| setup(&["pair"])).await??;
        let mut lines = told.lines();
        let mut line = || lines.next().ok_or("two servers were to be told");
        let (directory, primary, standby) = (line()?.to_owned(), Url::parse(line()?)?, Url::parse(line()?)?);
        let leads_to = Arc::new(Mutex::new(socket(&primary)?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(forward(listener, Arc::clone(&leads_to))));
        Ok(Self { directory, primary, standby, address, leads_to, _stop: stop.drop_guard() })
    }

    /// The address that leads to whichever is the primary.
    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.address)
    }

    /// From now on a commit waits until the standby has it.
    ///
    /// # Errors
    /// When the standby does not follow.
    pub async fn wait_for_standby(&self) -> Result<(), Failed> {
        let mut conn = connect(self.primary.as_str()).await?;
        sqlx::query("ALTER SYSTEM SET synchronous_standby_names = 'standby'").execute(&mut conn).await?;
        sqlx::query("SELECT pg_reload_conf()").execute(&mut conn).await?;
        let follows = async {
            let sync = "SELECT EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync')";
            while !sqlx::query(sync).fetch_one(&mut conn).await?.try_get::<bool, _>(0)? {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok::<_, Failed>(())
        };
        tokio::time::timeout(PATIENCE, follows).await??;
        conn.close().await?;
        Ok(())
    }

    /// SIGKILL to every process of the primary, as when its machine fails.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn crash(&self) -> Result<(), Failed> {
        let mut conn = connect(self.primary.as_str()).await?;
        let rows = sqlx::query("SELECT pid FROM pg_stat_activity").fetch_all(&mut conn).await?;
        let told = std::fs::read_to_string(format!("{}/primary/postmaster.pid", self.directory))?;
        // The one that starts others first.
        let mut processes = vec![told.lines().next().unwrap_or_default().to_owned()];
        for row in rows {
            processes.push(row.try_get::<i32, _>(0)?.to_string());
        }
        // Some may have ended by themselves.
        Command::new("kill").arg("-9").args(processes).output()?;
        Ok(())
    }

    /// The standby becomes the primary, and the address leads to it.
    ///
    /// # Errors
    /// When it can't be promoted.
    pub async fn promote(&self) -> Result<(), Failed> {
        let directory = self.directory.clone();
        tokio::task::spawn_blocking(move || setup(&["promote", &directory])).await??;
        *self.leads_to.lock().unwrap_or_else(PoisonError::into_inner) = socket(&self.standby)?;
        Ok(())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if let Err(error) = setup(&["unpair", &self.directory]) {
            eprintln!("the servers in {} could not be ended: {error}", self.directory);
        }
    }
}

fn socket(url: &Url) -> Result<SocketAddr, Failed> {
    Ok(url.socket_addrs(|| None)?.first().copied().ok_or("no address")?)
}

/// Passes connections on until it is stopped.
async fn forward(listener: TcpListener, leads_to: Arc<Mutex<SocketAddr>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let there = *leads_to.lock().unwrap_or_else(PoisonError::into_inner);
        tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect(there).await {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}
