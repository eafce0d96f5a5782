//! The address that platforms call, whichever adapter stands behind it now.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

type Behind = Arc<Mutex<Option<Router>>>;

pub(crate) struct Door {
    pub(crate) addr: SocketAddr,
    behind: Behind,
    _serving: JoinSet<()>,
}

impl Door {
    pub(crate) async fn open() -> Self {
        let behind = Behind::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let routes = Router::new().fallback(pass).with_state(Arc::clone(&behind));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { addr, behind, _serving: serving }
    }

    /// From now on this answers.
    pub(crate) fn lead_to(&self, routes: Router) {
        *self.behind.lock().unwrap() = Some(routes);
    }
}

async fn pass(State(behind): State<Behind>, request: Request) -> Response {
    let routes = behind.lock().unwrap().clone();
    match routes {
        Some(routes) => routes.oneshot(request).await.into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
