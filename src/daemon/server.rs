//! Serving HTTP/1.1 with bounds: on connections, on slow headers, on clients that don't read, on the
//! time to stop. How long a body may take is the adapters' own bound.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::stall::Impatient;

/// A client that takes longer to send its headers, or keeps an idle connection longer, is let go.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Open files that connections leave to the database, to models and to outlets.
const RESERVED_FILES: u64 = 128;

/// How many connections may be open: `wanted`, or as many as the open files allow. More would keep the
/// database from its own files.
pub(crate) fn most_connections(wanted: usize, open_files: Option<u64>) -> usize {
    let room = open_files.map(|files| files.saturating_sub(RESERVED_FILES).max(files / 2));
    wanted.min(room.and_then(|room| usize::try_from(room).ok()).unwrap_or(usize::MAX)).max(1)
}

/// Serves up to `most` connections until `stop`, then lets open requests end until `hard_stop`. Each request goes to the router
/// that `routes` holds at that moment, so that health can be asked before the rest is ready.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: watch::Receiver<Router>,
    most: usize,
    stop: CancellationToken,
    hard_stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(most));
    let connections = TaskTracker::new();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: others will close some.
                    tracing::warn!(error = %error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let connection = connection(stream, peer, routes.clone());
        let (stop, hard_stop) = (stop.clone(), hard_stop.clone());
        connections.spawn(async move {
            let mut connection = pin!(connection);
            // A client that broke off is no event worth a line.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            tokio::select! {
                _ = connection => {}
                () = hard_stop.cancelled() => {}
            }
            drop(permit);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    routes: watch::Receiver<Router>,
) -> hyper::server::conn::http1::UpgradeableConnection<
    TokioIo<Impatient<TcpStream>>,
    impl hyper::service::HttpService<Incoming, ResBody = Body, Error = Infallible, Future = impl Send> + Send,
> {
    // Small writes of a stream must not wait for one another.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let current = routes.borrow().clone();
        current.oneshot(request)
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(Impatient::new(stream)), service)
        .with_upgrades()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_never_take_the_files_of_the_database() {
        assert_eq!(most_connections(50_000, None), 50_000);
        assert_eq!(most_connections(50_000, Some(1 << 20)), 50_000);
        assert_eq!(most_connections(50_000, Some(1024)), 896);
        assert_eq!(most_connections(50_000, Some(64)), 32);
        assert_eq!(most_connections(50_000, Some(0)), 1);
    }
}
