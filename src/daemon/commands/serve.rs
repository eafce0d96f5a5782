//! `serve`: the daemon.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use dovvybuddy_core::channel::{BoxError, ChannelAdapter, Delivery};
use dovvybuddy_core::store::{Retention, Store};
use dovvybuddy_core::supervise::{CHANNEL_PATIENCE, Progress, supervise};
use dovvybuddy_core::{Clock, Timestamp};
use dovvybuddy_knowledge::Silent;
use metrics_exporter_prometheus::PrometheusHandle;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{CommandError, Outcome};
use crate::cli::Serve;
use crate::compose::{self, House, Use};
use crate::config::{Config, EmbeddingProvider, Loaded};
use crate::http::{self, Health, PATIENCE};
use crate::lifecycle::{self, Lifecycle};
use crate::receive::Receiving;
use crate::reload::{self, Reloader};
use crate::{output, server, telemetry};

/// How often housekeeping looks for what is too old, and for changes by other processes.
const HOUSEKEEPING: Duration = Duration::from_hours(1);
/// When it looks for the first time: by then a clock that was wrong at the start has mostly been put right.
const FIRST_LOOK: Duration = Duration::from_mins(10);
/// How far the clock may have been moved meanwhile.
const TRUE_ENOUGH: Duration = Duration::from_mins(5);
const LOOK_FOR_CHANGES: Duration = Duration::from_millis(250);
/// Connections at once to the address of the metrics.
const MOST_SCRAPERS: usize = 64;

pub(crate) async fn run(loaded: &Loaded, file: Option<&Path>, options: Serve) -> Outcome {
    let config = &loaded.config;
    let hangup =
        lifecycle::hangup().map_err(|error| CommandError::Failed(format!("signals can't be heard: {error}")))?;
    let signals = lifecycle::Signals::listen()
        .map_err(|error| CommandError::Failed(format!("signals can't be heard: {error}")))?;
    let most = server::most_connections(config.http.most_connections, lifecycle::raise_open_files());
    let metrics = telemetry::record_metrics()?;
    // A delivery that can't be configured is told before anything is opened.
    let outlets = compose::outlets(config)?;
    let lifecycle = Lifecycle::default();
    let (routes, served) = watch::channel(http::starting_router(Arc::new(compose::guard(config)?)));
    let listener = listen(config.http.bind, "http.bind").await?;
    serve_http(&lifecycle, listener, served, most, config.http.address_file.as_deref())?;
    let how = Use { dispatch: true, migrate: !options.no_migrate, demo: options.demo, models: true, ..Use::default() };
    let compose::Channels { all: channels, routes: called } = compose::channels(config)?;
    if let Err(error) = std::fs::create_dir_all(compose::own_content(config)) {
        tracing::warn!(error = %error, "data_dir can't be written: operators can publish nothing of their own");
    }
    let seen = reload::look(config, file).await;
    let house = compose::house(config, how, channels.clone(), &lifecycle).await?;
    // From here on, writes of other processes are noticed.
    house.store.changed().await?;
    reload::ingest(&house.knowledge).await;

    let web = compose::web(config, &house, &lifecycle)?;
    let events = [dovvybuddy_webhook::EVENTS, dovvybuddy_webhook::EMERGENCY_EVENTS];
    let lead_outlets = outlets.keys().map(ToString::to_string).filter(|id| !events.contains(&id.as_str())).collect();
    let desk = compose::alert_desk(config, &house, &channels);
    let herald = compose::herald(config, &house);
    let deliveries = compose::deliveries(&house, &lifecycle, channels.clone(), outlets);
    let own = [&house.spine.lanes.progress, &deliveries.progress, &house.spine.handover.progress];
    let own = own.into_iter().chain(desk.iter().map(|desk| &desk.progress));
    let own = own.chain(herald.iter().map(|herald| &herald.progress));
    let mut loops: Vec<_> = own.map(|progress| (Arc::clone(progress), PATIENCE)).collect();
    let receiving: Vec<_> = channels
        .into_values()
        .filter(|channel| channel.capabilities().delivery == Delivery::Sent)
        .map(|channel| (Progress::new(channel.id().as_str(), house.clock.now()), channel))
        .collect();
    loops.extend(receiving.iter().map(|(progress, _)| (Arc::clone(progress), CHANNEL_PATIENCE)));
    let health = Arc::new(Health {
        store: house.store.clone(),
        knowledge: Arc::clone(&house.knowledge),
        intake: house.spine.intake.clone(),
        clock: Arc::clone(&house.clock),
        running: Arc::clone(&house.spine.running),
        dispatch: Arc::clone(&house.spine.lanes.progress),
        loops,
        models: house.models.clone(),
        embeds: config.embeddings.provider != EmbeddingProvider::None,
        lead_outlets,
        metrics: metrics.clone(),
        metrics_token: config.metrics.token.clone(),
        closing: lifecycle.stopping.clone(),
    });

    let lanes = Arc::clone(&house.spine.lanes);
    supervised(&lifecycle, &house, Arc::clone(&lanes.progress), move |stop| Arc::clone(&lanes).run(stop));
    let progress = Arc::clone(&deliveries.progress);
    supervised(&lifecycle, &house, progress, move |stop| Arc::clone(&deliveries).run(stop));
    let handover = Arc::clone(&house.spine.handover);
    supervised(&lifecycle, &house, Arc::clone(&handover.progress), move |stop| Arc::clone(&handover).run(stop));
    if let Some(desk) = desk {
        supervised(&lifecycle, &house, Arc::clone(&desk.progress), move |stop| Arc::clone(&desk).run(stop));
    }
    if let Some(herald) = herald {
        supervised(&lifecycle, &house, Arc::clone(&herald.progress), move |stop| Arc::clone(&herald).run(stop));
    }
    for (progress, channel) in receiving {
        receive(&config.bot, &lifecycle, &house, progress, channel);
    }
    background(config, &house, &health, metrics, &lifecycle);
    let reloader = Reloader {
        file: file.map(Path::to_path_buf),
        config: config.clone(),
        told: reload::values(loaded),
        seen,
        minds: house.minds.clone(),
        knowledge: Arc::clone(&house.knowledge),
        diver_quota: Arc::clone(&house.spine.diver_quota),
        web: web.clone(),
    };
    lifecycle.spawn(reloader.run(hangup, lifecycle.stopping.clone()));
    if let Some(bind) = config.metrics.bind {
        let (_, served) = watch::channel(http::metrics_router(Arc::clone(&health)));
        serve_http(&lifecycle, listen(bind, "metrics.bind").await?, served, MOST_SCRAPERS, None)?;
    }
    let drained = web.clone();
    let own = http::router(health, config.metrics.bind.is_none(), called);
    let own = dovvybuddy_web::guarded(own, &web);
    let _starting = routes.send_replace(own.merge(dovvybuddy_web::router(&web)));

    announce(config, &house);
    lifecycle::notify(NotifyState::Ready);
    lifecycle.run_to_end(signals).await;
    if tokio::time::timeout(lifecycle::LAST_WORDS, drained.drained()).await.is_err() {
        tracing::warn!("some connections of the web channel did not end");
    }
    if let Err(error) = house.store.close().await {
        tracing::warn!(error = %error, "the database could not be closed; the next start recovers");
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn listen(bind: SocketAddr, key: &str) -> Result<TcpListener, CommandError> {
    TcpListener::bind(bind).await.map_err(|error| CommandError::Failed(format!("{key} {bind} can't be used: {error}")))
}

fn serve_http(
    lifecycle: &Lifecycle,
    listener: TcpListener,
    routes: watch::Receiver<Router>,
    most: usize,
    address_file: Option<&Path>,
) -> Result<(), CommandError> {
    if let Some(file) = address_file {
        let address = listener.local_addr().map_err(|error| CommandError::file(file, error))?;
        std::fs::write(file, address.to_string()).map_err(|error| CommandError::file(file, error))?;
    }
    let (stop, hard_stop) = (lifecycle.closing.clone(), lifecycle.hard_stop.clone());
    lifecycle.servers.spawn(server::serve(listener, routes, most, stop, hard_stop));
    Ok(())
}

fn supervised<F>(
    lifecycle: &Lifecycle,
    house: &House,
    progress: Arc<Progress>,
    start: impl Fn(CancellationToken) -> F + Send + 'static,
) where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let clock = Arc::clone(&house.clock);
    let stop = lifecycle.stopping.clone();
    lifecycle.spawn(supervise(progress, PATIENCE, clock, stop, start));
}

/// Runs a channel's loop; one that fails or stands still is started again and nothing else notices.
fn receive(bot: &str, lifecycle: &Lifecycle, house: &House, progress: Arc<Progress>, channel: Arc<dyn ChannelAdapter>) {
    let (clock, stop, watched) = (Arc::clone(&house.clock), lifecycle.stopping.clone(), Arc::clone(&progress));
    let receiving = Receiving {
        name: format!("{bot}: receive from {}", channel.id()),
        channel,
        intake: house.spine.intake.clone(),
        progress,
        store: house.store.clone(),
        clock: Arc::clone(&clock),
    };
    let start = move |stop| receiving.clone().run(stop);
    lifecycle.spawn(supervise(watched, CHANNEL_PATIENCE, clock, stop, start));
}

/// Embedding, housekeeping, watching for other processes' changes, the watchdog.
fn background(config: &Config, house: &House, health: &Arc<Health>, metrics: PrometheusHandle, lifecycle: &Lifecycle) {
    let stop = lifecycle.stopping.clone();
    let knowledge = Arc::clone(&house.knowledge);
    if config.embeddings.provider == EmbeddingProvider::Local && config.embeddings.fetch {
        let data_dir = config.data_dir.clone();
        let knowledge = Arc::clone(&knowledge);
        let stop = stop.clone();
        lifecycle.spawn(async move {
            tokio::select! {
                () = super::model::fetch_if_missing(&data_dir, &knowledge) => {}
                () = stop.cancelled() => {}
            }
        });
    }
    let embedding_stop = stop.clone();
    let embedding = Arc::clone(&knowledge);
    lifecycle.spawn(async move { embedding.keep_embedded(&Silent, &embedding_stop).await });

    let store = house.store.clone();
    let hearing = Arc::clone(&house.spine.hearing);
    let watch_stop = stop.clone();
    lifecycle.spawn(async move {
        while !rest(LOOK_FOR_CHANGES, &watch_stop).await {
            if !matches!(store.changed().await, Ok(true)) {
                continue;
            }
            // Another process may have erased a diver whom we still remember.
            hearing.clear();
            if let Err(error) = knowledge.reload().await {
                tracing::warn!(error = %error, "changed content can't be taken over");
            }
        }
    });

    lifecycle.spawn(keep_house(
        house.store.clone(),
        house.clock.clone(),
        config.retention.durations(),
        metrics,
        stop.clone(),
    ));

    let alive = Arc::clone(health);
    let clock = Arc::clone(&house.clock);
    lifecycle.spawn(lifecycle::feed_watchdog(move || alive.dispatch.idle(clock.now()) < PATIENCE, stop));
}

/// Removes what was kept long enough. Ages are told by a clock that has run true for a while: one that is
/// years ahead when a machine starts would have everything removed.
async fn keep_house(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    retention: Retention,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) {
    // At once only what an interrupted erasure left; at this moment nothing is old.
    remove_old(&*store, Timestamp::from_millis(0), &retention).await;
    let mut pause = FIRST_LOOK;
    loop {
        let (shown, began) = (clock.now().as_millis(), tokio::time::Instant::now());
        if rest(pause, &stop).await {
            return;
        }
        metrics.run_upkeep();
        let passed = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let moved = (clock.now().as_millis() - shown).saturating_sub(passed).unsigned_abs();
        if Duration::from_millis(moved) > TRUE_ENOUGH {
            tracing::warn!("the clock was moved; nothing is removed for its age this time");
        } else {
            remove_old(&*store, clock.now(), &retention).await;
        }
        pause = HOUSEKEEPING;
    }
}

async fn remove_old(store: &dyn Store, now: Timestamp, retention: &Retention) {
    match store.expire(now, retention).await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "what was kept long enough is removed"),
        Err(error) => tracing::warn!(error = %error, "old rows can't be removed"),
    }
}

/// Sleeps; `true` when the daemon stops meanwhile.
async fn rest(pause: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(pause) => false,
        () = stop.cancelled() => true,
    }
}

/// Says on the terminal what is there and where to click.
fn announce(config: &Config, house: &House) {
    let base = config.http.public_url.clone().unwrap_or_else(|| format!("http://{}", config.http.bind));
    let answers = match &house.models {
        None => "by quoting its sources (set a model key for written answers)".to_owned(),
        Some(chain) => {
            let names: Vec<String> = chain.status().into_iter().map(|(name, _)| name).collect();
            format!("with {}", names.join(", then "))
        }
    };
    let standing = house.knowledge.standing();
    output::line(format!(
        "\nDovvyBuddy {} is ready.\n  chat page   {base}/\n  API docs    {base}/docs\n  health      {base}/health  {base}/ready  {base}/status\n  answers     {answers}, from {} documents\n",
        env!("CARGO_PKG_VERSION"),
        standing.documents,
    ));
}
