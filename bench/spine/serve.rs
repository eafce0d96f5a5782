//! Connections as the daemon serves them: HTTP/1.1 alone, with its bounds on headers and buffers.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const LARGEST_BUFFER: usize = 32 * 1024;
/// How long to wait when no connection can be accepted: others will close some.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, app: Router) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(tokio::spawn(connection(stream, peer, app.clone()))),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, app: Router) {
    // Without it an answer only waits a little longer.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().oneshot(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(LARGEST_BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // The generator sees for itself what became of its connection.
    let _ = serving.await;
}
