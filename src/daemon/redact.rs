//! The one place where secrets are kept out of what leaves the process about itself: log lines, error
//! reports, traces.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

use opentelemetry::{KeyValue, StringValue, Value as TraceValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use sentry::protocol::{Breadcrumb, Event};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

/// Replaces every known secret, and whatever looks like one.
#[derive(Clone)]
pub(crate) struct Redactor {
    secrets: Arc<[String]>,
    shapes: Arc<regex::Regex>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// Replaces these secrets, besides the shapes everybody knows.
    pub(crate) fn new(secrets: Vec<String>) -> Self {
        // Shorter ones would blot out ordinary words.
        let secrets = secrets.into_iter().filter(|s| s.len() >= 6).collect();
        #[expect(clippy::expect_used, reason = "a constant pattern, compiled at start and in every test")]
        // Secrets are ASCII; repeated classes of all Unicode's letters would take megabytes.
        let shapes = regex::Regex::new(
            r"(?x)
              \bBearer\s+[A-Za-z0-9_.~+/=-]{8,}    # authorization headers
            | \bsk-[A-Za-z0-9_-]{8,} | \bgsk_[A-Za-z0-9_]{8,} | \bAIza[A-Za-z0-9_-]{10,}
            | \bwhsec_[A-Za-z0-9_+/=]{8,}
            | \bbot[0-9]{6,}:[A-Za-z0-9_-]{20,}   # Telegram puts its token into the path
            | (?P<scheme>[A-Za-z0-9_]+://)[^\s/@:]*:[^\s/@]+@  # user and password inside an address
            ",
        )
        .expect("the pattern is constant");
        Self { secrets, shapes: Arc::new(shapes) }
    }

    fn clean<'a>(&self, line: &'a str) -> Cow<'a, str> {
        let line = self.shapes.replace_all(line, "${scheme}[redacted]");
        if !self.secrets.iter().any(|secret| line.contains(secret.as_str())) {
            return line;
        }
        let mut line = line.into_owned();
        for secret in self.secrets.iter() {
            line = line.replace(secret.as_str(), "[redacted]");
        }
        line.into()
    }

    /// The text without secrets, if there were any.
    fn cleaned(&self, text: &str) -> Option<String> {
        match self.clean(text) {
            Cow::Owned(clean) => Some(clean),
            Cow::Borrowed(_) => None,
        }
    }

    /// An error report without secrets, wherever in it they stood; none at all if that can't be made sure.
    pub(crate) fn event(&self, event: &Event<'static>) -> Option<Event<'static>> {
        self.document(event)
    }

    /// The same for what led to an error.
    pub(crate) fn breadcrumb(&self, breadcrumb: &Breadcrumb) -> Option<Breadcrumb> {
        self.document(breadcrumb)
    }

    fn document<T: Serialize + DeserializeOwned>(&self, document: &T) -> Option<T> {
        let mut value = serde_json::to_value(document).ok()?;
        self.strings(&mut value);
        serde_json::from_value(value).ok()
    }

    fn strings(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(clean) = self.cleaned(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.strings(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.strings(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn attributes(&self, attributes: &mut [KeyValue]) {
        for attribute in attributes {
            if let TraceValue::String(text) = &attribute.value
                && let Some(clean) = self.cleaned(text.as_str())
            {
                attribute.value = TraceValue::String(StringValue::from(clean));
            }
        }
    }
}

/// Writes log lines to standard error without secrets.
#[derive(Clone)]
pub(crate) struct RedactedStderr(pub(crate) Redactor);

impl Write for RedactedStderr {
    /// A log line comes in one piece.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        io::stderr().write_all(self.0.clean(&line).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for RedactedStderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

/// Hands on traces without secrets.
#[derive(Debug)]
pub(crate) struct RedactedSpans<E> {
    pub(crate) redactor: Redactor,
    pub(crate) exporter: E,
}

impl<E: SpanExporter> SpanExporter for RedactedSpans<E> {
    fn export(&self, mut batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        for span in &mut batch {
            self.redactor.attributes(&mut span.attributes);
            for event in &mut span.events.events {
                self.redactor.attributes(&mut event.attributes);
                if let Some(clean) = self.redactor.cleaned(&event.name) {
                    event.name = clean.into();
                }
            }
        }
        self.exporter.export(batch)
    }

    fn shutdown_with_timeout(&self, timeout: std::time::Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &opentelemetry_sdk::Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_passes() {
        let sink = Redactor::new(vec!["hunter2-hunter2".into()]);
        let line = "GET https://api.example/bot123456789:AAExampleExampleExampleExample12/getMe \
                    Authorization: Bearer abcdefghijk smtp://me:pa55word@mail key=hunter2-hunter2 sk-abcdefghij";
        let clean = sink.clean(line);
        for secret in ["AAExample", "abcdefghijk", "pa55word", "hunter2", "sk-abc"] {
            assert!(!clean.contains(secret), "{secret} stands in {clean}");
        }
        assert!(clean.contains("smtp://[redacted]mail"));
    }

    #[test]
    fn ordinary_lines_stay_as_they_are() {
        let line = "turn finished outcome=answered total_ms=12";
        assert_eq!(Redactor::new(vec!["abc".into()]).clean(line), line);
    }

    #[test]
    fn an_error_report_is_clean_wherever_the_secret_stood() {
        use sentry::protocol::{Exception, Map};

        let redactor = Redactor::new(vec!["hunter2-hunter2".into()]);
        let said = |text: &str| format!("{text} hunter2-hunter2 sk-abcdefghij");
        let exception = Exception { ty: "Error".into(), value: Some(said("value")), ..Exception::default() };
        let breadcrumb = Breadcrumb { message: Some(said("crumb")), ..Breadcrumb::default() };
        let event = Event {
            message: Some(said("message")),
            exception: vec![exception].into(),
            breadcrumbs: vec![breadcrumb.clone()].into(),
            extra: Map::from_iter([("error".to_owned(), Value::from(said("extra")))]),
            tags: Map::from_iter([("url".to_owned(), said("tag"))]),
            ..Event::default()
        };
        let clean = redactor.event(&event).expect("it can be sent");
        let sent = serde_json::to_string(&clean).unwrap();
        assert!(!sent.contains("hunter2") && !sent.contains("sk-abc"), "{sent}");
        for kept in ["message", "value", "crumb", "extra", "tag"] {
            assert!(sent.contains(&format!("{kept} [redacted]")), "{kept} in {sent}");
        }
        assert_eq!(clean.event_id, event.event_id);
        assert!(!redactor.breadcrumb(&breadcrumb).unwrap().message.unwrap().contains("hunter2"));
    }

    #[tokio::test]
    async fn a_trace_is_clean_too() {
        use std::sync::Mutex;

        use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};
        use opentelemetry_sdk::trace::SdkTracerProvider;

        #[derive(Debug, Clone, Default)]
        struct Kept(Arc<Mutex<Vec<SpanData>>>);

        impl SpanExporter for Kept {
            async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
                self.0.lock().unwrap().extend(batch);
                Ok(())
            }
        }

        let exporter = Kept::default();
        let redactor = Redactor::new(vec!["hunter2-hunter2".into()]);
        let spans = RedactedSpans { redactor, exporter: exporter.clone() };
        let traces = SdkTracerProvider::builder().with_simple_exporter(spans).build();
        traces.tracer("test").in_span("call", |cx| {
            cx.span().set_attribute(KeyValue::new("url", "http://x/?key=hunter2-hunter2"));
            cx.span().add_event("failed with hunter2-hunter2", vec![KeyValue::new("cause", "sk-abcdefghij")]);
        });
        let kept = format!("{:?}", exporter.0.lock().unwrap());
        assert!(kept.contains("[redacted]") && !kept.contains("hunter2") && !kept.contains("sk-abc"), "{kept}");
    }
}
