//! Logs, traces, errors and metrics: where they go.

use std::io::IsTerminal as _;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use secrecy::ExposeSecret as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Config, LogFormat};
use crate::redact::{RedactedSpans, RedactedStderr, Redactor};

/// What must live as long as the program; dropping it sends what is still buffered.
pub(crate) struct Telemetry {
    traces: Option<SdkTracerProvider>,
    _sentry: Option<sentry::ClientInitGuard>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take() {
            let _ = traces.shutdown();
        }
    }
}

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The trace endpoint can't be used.
    #[error("telemetry.otlp_endpoint can't be used: {0}")]
    Traces(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The Sentry address can't be read.
    #[error("telemetry.sentry_dsn is not a Sentry address")]
    Sentry,
    /// The metrics can't be recorded.
    #[error("metrics can't be recorded: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Sets up logs to standard error, and traces and errors where configured. `quiet` keeps the log to
/// warnings, for commands whose output people read.
pub(crate) fn start(config: &Config, quiet: bool) -> Result<Telemetry, TelemetryError> {
    let default = if quiet { "warn" } else { "info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let redactor = Redactor::new(secrets(config));
    let pretty = match config.log.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(RedactedStderr(redactor.clone()));
    let lines = if pretty {
        lines.with_target(false).compact().boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    };

    let traces = config.telemetry.otlp_endpoint.as_deref().map(|endpoint| tracer(endpoint, &redactor)).transpose()?;
    let spans = traces.as_ref().map(|t| tracing_opentelemetry::layer().with_tracer(t.tracer("dovvybuddy")));

    let sentry = match &config.telemetry.sentry_dsn {
        Some(dsn) => {
            let dsn = dsn.expose_secret().parse().map_err(|_| TelemetryError::Sentry)?;
            let release = env!("CARGO_PKG_VERSION");
            let mut options = sentry::ClientOptions::default().release(release);
            options.dsn = Some(dsn);
            let (events, breadcrumbs) = (redactor.clone(), redactor);
            let options = options
                .before_send(move |event| events.event(&event))
                .before_breadcrumb(move |breadcrumb| breadcrumbs.breadcrumb(&breadcrumb));
            Some(sentry::init(options))
        }
        None => None,
    };
    let errors =
        sentry.is_some().then(|| sentry::integrations::tracing::ErrorLayer::new().with_filter(LevelFilter::ERROR));

    // Panics go the same way as everything else, and no other: their text may hold anything.
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.payload_as_str().unwrap_or("no text");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, cause = what, "the program panicked");
    }));
    tracing_subscriber::registry().with(filter).with(lines).with(spans).with(errors).init();
    Ok(Telemetry { traces, _sentry: sentry })
}

fn tracer(endpoint: &str, redactor: &Redactor) -> Result<SdkTracerProvider, TelemetryError> {
    let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_http().with_endpoint(endpoint).build()?;
    let spans = RedactedSpans { redactor: redactor.clone(), exporter };
    let resource = opentelemetry_sdk::Resource::builder().with_service_name("dovvybuddy").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(spans).with_resource(resource).build())
}

/// Starts recording metrics; the handle renders them.
pub(crate) fn record_metrics() -> Result<PrometheusHandle, TelemetryError> {
    const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    Ok(handle)
}

fn secrets(config: &Config) -> Vec<String> {
    let leads = &config.leads;
    let configured = [
        &leads.smtp_url,
        &leads.webhook_secret,
        &config.metrics.token,
        &config.embeddings.api_key,
        &config.telegram.webhook_secret,
        &config.telemetry.sentry_dsn,
    ];
    let mut secrets: Vec<String> =
        configured.into_iter().flatten().map(|secret| secret.expose_secret().to_owned()).collect();
    secrets.extend(config.telegram.token().map(|token| token.expose_secret().to_owned()));
    secrets.extend(config.discord.token().map(|token| token.expose_secret().to_owned()));
    let named = ["OPENAI_API_KEY", "GROQ_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"];
    secrets.extend(named.iter().filter_map(|name| std::env::var(name).ok()));
    secrets.extend(config.llm.models.iter().filter_map(|m| Some(m.api_key.as_ref()?.expose_secret().to_owned())));
    secrets.extend(config.llm.models.iter().filter_map(|m| std::env::var(m.api_key_env.as_deref()?).ok()));
    secrets
}
