//! A server that stops with its handle.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Where a fake listens. Dropped, it stops listening.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) addr: SocketAddr,
    _stop: DropGuard,
}

/// Serves `router`; port 0 takes a free one.
pub(crate) async fn serve(addr: SocketAddr, router: Router) -> io::Result<Served> {
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = axum::serve(listener, router) => {}
            () = stopped.cancelled() => {}
        }
    });
    Ok(Served { addr, _stop: stop.drop_guard() })
}
