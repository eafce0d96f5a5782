//! The front end's files: put together, compressed and named by their content once, at first use.
//!
//! The sources are plain modules, each of them readable by a browser as it is. What is served is all
//! modules of the page, or of the widget, in one file: their imports and exports taken out, in the
//! order in which they need each other. A name may therefore stand at the top of only one module.

use std::sync::LazyLock;

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// How hard text is compressed, of 11: the last two steps cost seconds and save little.
const EFFORT: i32 = 9;

/// The modules that page and widget share, in the order in which they need each other.
const SHARED: [&str; 13] = [
    include_str!("dom.js"),
    include_str!("markdown.js"),
    include_str!("stream.js"),
    include_str!("memory.js"),
    include_str!("passage.js"),
    include_str!("feedback.js"),
    include_str!("leads.js"),
    include_str!("reply.js"),
    include_str!("composer.js"),
    include_str!("turns.js"),
    include_str!("news.js"),
    include_str!("menu.js"),
    include_str!("chat.js"),
];
const SHARED_STYLE: [&str; 3] = [include_str!("theme.css"), include_str!("chat.css"), include_str!("panels.css")];

/// The page's script.
pub(super) static PAGE_SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(SCRIPT, module(&[&SHARED[..], &[include_str!("page.js")]].concat())));
/// The page's style.
pub(super) static PAGE_STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(STYLE, [&SHARED_STYLE[..], &[include_str!("page.css")]].concat().concat()));
/// What the operator's view is made of beside what the page has.
const ADMIN: [&str; 11] = [
    include_str!("dom.js"),
    include_str!("markdown.js"),
    include_str!("admin/desk.js"),
    include_str!("admin/view.js"),
    include_str!("admin/charts.js"),
    include_str!("admin/turn.js"),
    include_str!("admin/conversations.js"),
    include_str!("admin/lists.js"),
    include_str!("admin/entries.js"),
    include_str!("admin/figures.js"),
    include_str!("admin/admin.js"),
];
/// The script of the operator's view.
pub(super) static ADMIN_SCRIPT: LazyLock<Asset> = LazyLock::new(|| Asset::new(SCRIPT, module(&ADMIN)));
/// The style of the operator's view.
pub(super) static ADMIN_STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let own = [include_str!("page.css"), include_str!("admin/admin.css")];
    Asset::new(STYLE, [&SHARED_STYLE[..], &own].concat().concat())
});
/// The widget: script and style in one.
pub(super) static WIDGET: LazyLock<Asset> = LazyLock::new(|| Asset::new(SCRIPT, widget()));
/// The picture in the browser's tab.
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("image/svg+xml", include_str!("favicon.svg").to_owned()));

/// A file as it is served.
pub(super) struct Asset {
    kind: HeaderValue,
    tag: HeaderValue,
    /// A digest of the content, for an address that changes with it.
    pub(super) digest: String,
    plain: Bytes,
    compressed: Bytes,
}

/// How long a browser may keep a file without asking.
#[derive(Clone, Copy)]
pub(super) enum Keep {
    /// For ever: the address names the content.
    Forever,
    /// A while: the address stays when the content changes.
    AWhile,
}

impl Asset {
    fn new(kind: &'static str, text: String) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let short = digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let digest = format!("{short:016x}");
        // Weak, because compression changes the bytes and not what they mean.
        let tag = HeaderValue::try_from(format!("W/\"{digest}\"")).unwrap_or(HeaderValue::from_static("W/\"0\""));
        let compressed = Bytes::from(brotli(text.as_bytes()));
        Self { kind: HeaderValue::from_static(kind), tag, digest, plain: Bytes::from(text), compressed }
    }

    /// The file, compressed for those who can read it; for others the server compresses it on the way.
    pub(super) fn answer(&self, headers: &HeaderMap, keep: Keep) -> Response {
        let caching = match keep {
            Keep::Forever => "public, max-age=31536000, immutable",
            Keep::AWhile => "public, max-age=600, stale-while-revalidate=86400",
        };
        let caching = [
            (CACHE_CONTROL, HeaderValue::from_static(caching)),
            (ETAG, self.tag.clone()),
            (VARY, HeaderValue::from_static("accept-encoding")),
        ];
        if headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == self.tag) {
            return (StatusCode::NOT_MODIFIED, caching).into_response();
        }
        let kind = [(CONTENT_TYPE, self.kind.clone())];
        if reads_brotli(headers) {
            let encoding = [(CONTENT_ENCODING, HeaderValue::from_static("br"))];
            return (caching, kind, encoding, self.compressed.clone()).into_response();
        }
        (caching, kind, self.plain.clone()).into_response()
    }
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::with_capacity(text.len() / 3);
    let parameters = brotli::enc::BrotliEncoderParams { quality: EFFORT, ..Default::default() };
    // Writing into memory can't fail.
    let _ = brotli::BrotliCompress(&mut &*text, &mut compressed, &parameters);
    compressed
}

fn reads_brotli(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "br" && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

/// One module out of several.
fn module(sources: &[&str]) -> String {
    let mut whole = String::from("'use strict';\n");
    for line in sources.iter().flat_map(|source| source.lines()) {
        if !is_left_out(line) {
            whole.push_str(line.strip_prefix("export ").unwrap_or(line).trim_start());
            whole.push('\n');
        }
    }
    whole
}

/// Imports, which have become needless, and comments.
fn is_left_out(line: &str) -> bool {
    let text = line.trim();
    let comment = text == "*" || ["//", "/*", "* ", "*/"].iter().any(|sign| text.starts_with(sign));
    text.is_empty() || comment || line.starts_with("import ")
}

/// The widget keeps its names to itself, and brings its style along.
fn widget() -> String {
    let style = [&SHARED_STYLE[..], &[include_str!("widget.css")]].concat().concat();
    let style = serde_json::Value::from(absolute(&style)).to_string();
    let script = module(&[&SHARED[..], &[include_str!("widget.js")]].concat());
    format!("(() => {{\nconst STYLE = {style};\n{script}}})();\n")
}

/// A host page may have set any size for `rem`, so inside it there are only pixels.
fn absolute(style: &str) -> String {
    let mut pieces = style.split("rem");
    let mut whole = String::with_capacity(style.len());
    let mut before = pieces.next().unwrap_or_default();
    for after in pieces {
        let digits = before.rfind(|c: char| !c.is_ascii_digit() && c != '.').map_or(0, |at| at + 1);
        let (text, number) = before.split_at(digits);
        whole.push_str(text);
        match number.parse::<f64>() {
            Ok(number) => whole.extend([&*(number * 16.0).to_string(), "px"]),
            Err(_) => whole.push_str("rem"),
        }
        before = after;
    }
    whole + before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_widget_no_size_depends_on_the_host_page() {
        assert_eq!(absolute("a{m:.25rem 1rem;w:calc(-2.5rem + 3px)}"), "a{m:4px 16px;w:calc(-40px + 3px)}");
        assert_eq!(absolute("/* remember */"), "/* remember */");
        assert!(!std::str::from_utf8(&WIDGET.plain).unwrap().contains("1rem"));
    }

    /// What may be sent for the whole page, and for the widget, words included.
    const PAGE_BUDGET: usize = 100 * 1024;
    const WIDGET_BUDGET: usize = 25 * 1024;

    #[test]
    fn page_and_widget_stay_small() {
        let words =
            dovvybuddy_core::Lang::ALL.map(|lang| brotli(super::super::words::of(lang).to_string().as_bytes()).len());
        let words = words.into_iter().max().unwrap();
        let page = [&PAGE_SCRIPT, &PAGE_STYLE, &ICON].map(|asset| asset.compressed.len()).iter().sum::<usize>() + words;
        assert!(page < PAGE_BUDGET, "{page}");
        let widget = WIDGET.compressed.len() + words;
        assert!(widget < WIDGET_BUDGET, "{widget}");
        let admin = [&ADMIN_SCRIPT, &ADMIN_STYLE, &ICON].map(|asset| asset.compressed.len()).iter().sum::<usize>();
        assert!(admin < PAGE_BUDGET, "{admin}");
    }

    #[test]
    fn no_script_of_ours_writes_html_or_runs_text() {
        for asset in [&PAGE_SCRIPT, &WIDGET, &ADMIN_SCRIPT] {
            let text = std::str::from_utf8(&asset.plain).unwrap();
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "setAttribute('style",
                "setAttribute('on",
            ] {
                assert!(!text.contains(forbidden), "{forbidden}");
            }
        }
    }

    #[test]
    fn nothing_foreign_is_named() {
        for asset in [&PAGE_SCRIPT, &PAGE_STYLE, &WIDGET, &ADMIN_SCRIPT, &ADMIN_STYLE] {
            let text = std::str::from_utf8(&asset.plain).unwrap();
            for address in text.split("http").skip(1).filter(|rest| rest.starts_with("://") || rest.starts_with("s://"))
            {
                assert!(address.starts_with("://www.w3.org/2000/svg"), "{}", &address[..40.min(address.len())]);
            }
            assert!(!text.contains("@import") && !text.contains("url("), "styles load nothing");
        }
    }

    #[test]
    fn imports_and_comments_are_taken_out_and_nothing_else() {
        let source = "// About.\nimport { a } from './a.js';\n\n/**\n * Two.\n */\nexport const b = a * 2;\n  const c = 'import x';\n";
        assert_eq!(module(&[source]), "'use strict';\nconst b = a * 2;\nconst c = 'import x';\n");
    }

    #[test]
    fn compressed_is_sent_only_to_those_who_read_it() {
        let asks = |value: &str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
            reads_brotli(&headers)
        };
        assert!(asks("gzip, deflate, br, zstd") && asks("br;q=0.5"));
        assert!(!asks("gzip") && !asks("br;q=0") && !asks("*;q=0.1") && !reads_brotli(&HeaderMap::new()));
    }
}
