//! Serving HTTP/1.1 with bounds: on connections, on slow headers, on the time to stop.

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

/// A client that takes longer to send its headers, or keeps an idle connection longer, is let go.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// The most connections at once; far above any limit of the kernel's defaults.
const MOST_CONNECTIONS: usize = 50_000;

/// Serves until `stop`, then lets open requests end until `hard_stop`. Each request goes to the router
/// that `routes` holds at that moment, so that health can be asked before the rest is ready.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: watch::Receiver<Router>,
    stop: CancellationToken,
    hard_stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
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
    TokioIo<TcpStream>,
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
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
}
