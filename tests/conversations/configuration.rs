//! A wrong configuration stops the start at once, names the key, says what was expected, and shows no
//! secret.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Setup, root};

/// Stands in every broken configuration where a secret may stand, and must never be shown.
const SECRET: &str = "s3cr3t-Qx7-Zz9";

/// Runs `serve`, which must fail at once; gives what it said.
async fn refused(setup: &Setup, what: &str) -> String {
    let began = Instant::now();
    let (code, out, err) = setup.run(&["serve"]).await;
    let took = began.elapsed();
    assert_ne!(code, 0, "{what} was accepted");
    // The promise is a second; other tests share the machine.
    assert!(took < Duration::from_secs(3), "{what}: took {took:?}");
    let said = format!("{out}{err}");
    assert!(!said.contains(SECRET), "{what} shows the secret: {said}");
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{what}: {said}");
    said
}

fn names(said: &str, key: &str, what: &str) {
    assert!(said.contains(key), "{what}: expected {key} in {said}");
}

/// Key, and the file that gets it wrong. `§` stands for the secret.
const FILES: [(&str, &str); 60] = [
    ("data_dir", "data_dri = 'x'"),
    ("data_dir", "data_dir = 5"),
    ("content_dir", "content_dir = ['a']"),
    ("prompts_dir", "prompts_dir = true"),
    ("http", "[htp]\nbind = '127.0.0.1:1'"),
    ("http", "http = 8000"),
    ("`bind`", "[http]\nbnd = '127.0.0.1:1'"),
    ("http.bind", "[http]\nbind = 'nonsense'"),
    ("http.bind", "[http]\nbind = 8000"),
    ("http.bind", "[http]\nbind = '127.0.0.1:99999'"),
    ("http.bind", "[http]\nbind = '127.0.0.1'"),
    ("http.public_url", "[http]\npublic_url = 'ftp://x'"),
    ("http.public_url", "[http]\npublic_url = 'bot.example.com'"),
    ("http.cors_origins", "[http]\ncors_origins = 'https://x.example'"),
    ("http.cors_origins", "[http]\ncors_origins = ['*']"),
    ("http.cors_origins", "[http]\ncors_origins = ['shop.example']"),
    ("http.trusted_proxies", "[http]\ntrusted_proxies = ['proxy']"),
    ("http.trusted_proxies", "[http]\ntrusted_proxies = ['10.0.0.0/99']"),
    ("limits.diver_per_minute", "[limits]\ndiver_per_minute = -1"),
    ("limits.diver_per_minute", "[limits]\ndiver_per_minute = 'many'"),
    ("limits.diver_burst", "[limits]\ndiver_burst = 1.5"),
    ("`diver_per_minute`", "[limits]\ndivers_per_minute = 20"),
    ("limits.ip_per_minute", "[limits]\nip_per_minute = true"),
    ("limits.ip_per_minute", "[limits]\nip_per_minute = 99999999999999"),
    ("lanes.settle_ms", "[lanes]\nsettle_ms = 'soon'"),
    ("lanes.settle_ms", "[lanes]\nsettle_ms = -5"),
    ("http.most_connections", "[http]\nmost_connections = 0"),
    ("http.body_within_seconds", "[http]\nbody_within_seconds = 0"),
    ("http.socket_idle_seconds", "[http]\nsocket_idle_seconds = 'long'"),
    ("router.margin", "[router]\nmargin = 2.0"),
    ("router.budget_ms", "[router]\nbudget_ms = 60000"),
    ("`margin`", "[router]\nmargins = 0.1"),
    ("operator.timezone", "[operator]\ntimezone = 'Mars/Olympus'"),
    ("operator.emergency_contacts", "[operator]\nemergency_contacts = 5"),
    ("operator.booking_url", "[operator]\nbooking_url = 'javascript:alert(1)'"),
    ("embeddings.provider", "[embeddings]\nprovider = 'magic'"),
    ("embeddings.provider", "[embeddings]\nprovider = 5"),
    ("embeddings.model", "[embeddings]\nprovider = 'openai'\napi_key = '§'"),
    ("leads.smtp_url", "[leads]\nmail_to = 'desk@example.com'"),
    ("leads.smtp_url", "[leads]\nmail_to = 'desk@example.com'\nsmtp_url = 'http://user:§@mail.example.com'"),
    ("leads.mail_to", "[leads]\nsmtp_url = 'smtp://user:§@mail.example.com'"),
    ("leads.mail_to", "[leads]\nmail_to = 'nobody'\nsmtp_url = 'smtp://mail.example.com'"),
    ("leads.webhook_url", "[leads]\nwebhook_url = 'nonsense'\nwebhook_secret = 'whsec_czNjcjN0LVF4Ny1aejk='"),
    ("leads.webhook_secret", "[leads]\nwebhook_url = 'https://example.com/leads'"),
    ("leads.webhook_secret", "[leads]\nwebhook_url = 'https://example.com/leads'\nwebhook_secret = '§ is no base64!'"),
    (
        "leads.webhook_secret_file",
        "[leads]\nwebhook_url = 'https://example.com/leads'\nwebhook_secret_file = 'no/such/file'",
    ),
    ("outgoing.allow", "[outgoing]\nallow = ['nonsense nonsense']"),
    ("outgoing.allow", "[outgoing]\nallow = 5"),
    ("metrics.bind", "[metrics]\nbind = 'here'"),
    ("metrics.token_file", "[metrics]\ntoken_file = 'no/such/file'"),
    ("llm.models", "[llm]\nmodels = 'gpt'"),
    ("base_url", "[[llm.models]]\nname = 'a'\nmodel = 'm'"),
    ("base_url", "[[llm.models]]\nname = 'a'\nmodel = 'm'\nbase_url = 'nonsense'"),
    (
        "A_KEY_THAT_IS_NOT_SET",
        "[[llm.models]]\nname = 'a'\nmodel = 'm'\nbase_url = 'https://x.example/v1'\napi_key_env = 'A_KEY_THAT_IS_NOT_SET'",
    ),
    ("base_url", "[[llm.models]]\nname = 'a'\nmodel = 'm'\nbase_urll = 'https://x.example/v1'"),
    ("database.url", "[database]\nurl = 'mysql://root:§@db.example/divers'"),
    ("telemetry.otlp_endpoint", "[telemetry]\notlp_endpoint = 'nonsense'"),
    ("telemetry.sentry_dsn", "[telemetry]\nsentry_dsn = '§'"),
    ("dovvybuddy.toml", "[metrics]\ntoken = '§\n"),
    ("dovvybuddy.toml", "[http\nbind = '127.0.0.1:1'\ntoken = '§'"),
];

/// Key, and the variable that gets it wrong.
const VARIABLES: [(&str, &str, &str); 20] = [
    ("PORT", "PORT", "abc"),
    ("PORT", "PORT", "70000"),
    ("PORT", "PORT", "-1"),
    ("database.url", "DATABASE_URL", "oracle://root:§@db.example/divers"),
    ("database.url", "DATABASE_URL", "§"),
    ("http.bind", "DOVVYBUDDY_HTTP__BIND", "nonsense"),
    ("http.bind", "DOVVYBUDDY_HTTP__BINDD", "127.0.0.1:1"),
    ("limits.diver_per_minute", "DOVVYBUDDY_LIMITS__DIVER_PER_MINUTE", "many"),
    ("`diver_per_minute`", "DOVVYBUDDY_LIMITS__DIVER_PER_MINUT", "20"),
    ("limits.diver_burst", "DOVVYBUDDY_LIMITS__DIVER_BURST", "-3"),
    ("lanes.settle_ms", "DOVVYBUDDY_LANES__SETTLE_MS", "1.5"),
    ("data_dir", "DOVVYBUDDY_DATADIR", "x"),
    ("embeddings.provider", "DOVVYBUDDY_EMBEDDINGS__PROVIDER", "magic"),
    ("http.trusted_proxies", "DOVVYBUDDY_HTTP__TRUSTED_PROXIES", "10.0.0.0/8,proxy"),
    ("operator.timezone", "DOVVYBUDDY_OPERATOR__TIMEZONE", "Mars/Olympus"),
    ("leads.mail_to", "DOVVYBUDDY_LEADS__SMTP_URL", "§"),
    ("leads.webhook_secret", "DOVVYBUDDY_LEADS__WEBHOOK_URL", "https://example.com/leads"),
    ("telemetry.sentry_dsn", "SENTRY_DSN", "§"),
    ("telemetry.otlp_endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense"),
    ("http", "DOVVYBUDDY_HTPP__BIND", "127.0.0.1:1"),
];

#[tokio::test]
async fn every_broken_file_is_refused_with_its_key() {
    let mut wrong = Vec::new();
    for (key, file) in FILES {
        // What the setup itself sets in the environment would win over the file.
        let mut bare = Setup::new();
        bare.clear();
        bare.variable("DOVVYBUDDY_EMBEDDINGS__FETCH", "false");
        if !["[http]", "[htp]", "http ="].iter().any(|section| file.contains(section)) {
            bare.set("HTTP__BIND", "127.0.0.1:0");
        }
        for variable in ["CONTENT_DIR", "PROMPTS_DIR"] {
            let key = variable.to_lowercase();
            if !file.contains(&key) {
                bare.set(variable, root().join(key.trim_end_matches("_dir")).to_str().unwrap());
            }
        }
        bare.file(&file.replace('§', SECRET));
        wrong.extend(problem(&bare, key, file).await);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), FILES.len(), wrong.join("\n"));
}

#[tokio::test]
async fn every_broken_variable_is_refused_with_its_key() {
    let mut wrong = Vec::new();
    for (key, variable, value) in VARIABLES {
        let mut setup = Setup::new();
        setup.variable(variable, &value.replace('§', SECRET));
        wrong.extend(problem(&setup, key, &format!("{variable}={value}")).await);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), VARIABLES.len(), wrong.join("\n"));
}

/// How long a wrong configuration may take to be refused: a second, and some more for a program that was not
/// optimised, beside other tests.
const AT_ONCE: Duration = Duration::from_secs(3);

/// What is wrong with the refusal, so that one run shows all of it.
async fn problem(setup: &Setup, key: &str, what: &str) -> Option<String> {
    let refuse = async || {
        let began = Instant::now();
        let (code, out, err) = setup.run_for(Duration::from_secs(5), &["serve"]).await;
        (code, out, err, began.elapsed())
    };
    let (code, out, err, mut took) = refuse().await;
    if code != 0 && took > AT_ONCE {
        // Once may have been the machine, busy with other tests.
        took = refuse().await.3;
    }
    let said = format!("{out}{err}");
    let fault = match code {
        0 => "was accepted",
        _ if took > AT_ONCE => "was refused late",
        _ if !said.contains(key) => "was refused without its key",
        _ if said.contains(SECRET) => "shows the secret",
        _ if said.contains("panicked") => "panicked",
        _ => return None,
    };
    Some(format!("{what:?} {fault} ({key}), exit {code} after {took:?}: {said}"))
}

#[tokio::test]
async fn an_unknown_key_suggests_the_nearest() {
    let table = [
        ("[limits]\ndiver_per_minut = 20", "diver_per_minute"),
        ("[lanes]\nsettel_ms = 0", "settle_ms"),
        ("[opertor]\nname = 'x'", "operator"),
    ];
    for (file, nearest) in table {
        let setup = Setup::new();
        setup.file(file);
        let said = refused(&setup, file).await;
        names(&said, nearest, file);
        let typed = file
            .split(['[', ']', '\n', ' '])
            .find(|word| word.contains("minut") || word.contains("settel") || word.contains("opertor"));
        names(&said, typed.unwrap(), file);
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_and_an_address_in_use_are_told() {
    let setup = Setup::new();
    let (code, _, err) = setup.run(&["serve", "--config", "missing.toml"]).await;
    assert_eq!(code, 1, "{err}");
    names(&err, "missing.toml", "--config");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut setup = Setup::slice();
    setup.set("HTTP__BIND", &taken.local_addr().unwrap().to_string());
    let (code, out, err) = setup.run(&["serve"]).await;
    assert_eq!(code, 1, "{out}{err}");
    names(&format!("{out}{err}"), &taken.local_addr().unwrap().to_string(), "an address in use");
}

/// One value of `config show --json`, wherever it stands, with all that stands beside it.
fn shown(document: &Value, key: &str) -> String {
    fn walk(value: &Value, key: &str, found: &mut Option<Value>) {
        match value {
            Value::Object(map) => {
                if map.get("key").and_then(Value::as_str) == Some(key) {
                    *found = Some(value.clone());
                } else if let Some(inner) = map.get(key) {
                    *found = Some(inner.clone());
                }
                map.values().for_each(|inner| walk(inner, key, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| walk(inner, key, found)),
            _ => {}
        }
    }
    let mut found = None;
    walk(document, key, &mut found);
    found.unwrap_or_else(|| panic!("{key} in {document}")).to_string()
}

async fn show(setup: &Setup, arguments: &[&str]) -> Value {
    let arguments = [&["config", "show", "--json"], arguments].concat();
    let (code, out, err) = setup.run(&arguments).await;
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e} in {out}"))
}

/// The models that the familiar names make are as effective as those of a file.
#[tokio::test]
async fn models_of_the_environment_are_shown() {
    let mut setup = Setup::new();
    setup.variable("OPENAI_API_KEY", &format!("sk-{SECRET}"));
    setup.variable("OPENAI_MODEL", "a-model");
    setup.variable("OLLAMA_HOST", "ollama.example");
    let all = show(&setup, &[]).await;
    for (key, value, from) in [
        ("llm.models[0].name", "openai", "default"),
        ("llm.models[0].base_url", "https://api.openai.com/v1", "default"),
        ("llm.models[0].model", "a-model", "OPENAI_MODEL"),
        ("llm.models[0].api_key", "********", "OPENAI_API_KEY"),
        ("llm.models[1].base_url", "http://ollama.example:11434/v1", "OLLAMA_HOST"),
        ("llm.models[1].model", "llama3.1", "default"),
    ] {
        let shown = shown(&all, key);
        assert!(shown.contains(value) && shown.contains(from), "{key}: {shown}");
    }
    assert!(!all.to_string().contains(SECRET));
    let text = setup.ok(&["config", "show"]).await;
    assert!(text.contains("a-model") && text.contains("OPENAI_MODEL"), "{text}");
}

#[tokio::test]
async fn later_sources_win_and_each_value_says_where_it_came_from() {
    const KEY: &str = "limits.diver_burst";
    let mut setup = Setup::new();
    assert!(shown(&show(&setup, &[]).await, KEY).contains('5'));
    let named = setup.home.path().join("named.toml");
    std::fs::write(&named, "[limits]\ndiver_burst = 71\n").unwrap();
    let named = ["--config", named.to_str().unwrap()];
    let value = shown(&show(&setup, &named).await, KEY);
    assert!(value.contains("71") && value.contains("named.toml"), "{value}");
    setup.file("[limits]\ndiver_burst = 72\n");
    let value = shown(&show(&setup, &named).await, KEY);
    assert!(value.contains("72") && value.contains("dovvybuddy.toml"), "{value}");
    setup.set("LIMITS__DIVER_BURST", "73");
    let value = shown(&show(&setup, &named).await, KEY);
    assert!(value.contains("73") && value.contains("DOVVYBUDDY_LIMITS__DIVER_BURST"), "{value}");

    setup.set("HTTP__CORS_ORIGINS", "https://a.example, https://b.example");
    let value = shown(&show(&setup, &[]).await, "http.cors_origins");
    assert!(value.contains("a.example") && value.contains("b.example"), "{value}");
}

#[tokio::test]
async fn the_ports_of_others_are_understood() {
    let mut setup = Setup::new();
    setup.set("HTTP__BIND", "127.0.0.1:8000");
    setup.variable("PORT", "8123");
    let value = shown(&show(&setup, &[]).await, "http.bind");
    assert!(value.contains("127.0.0.1:8123"), "{value}");

    // Kubernetes injects these for a service of our name.
    for (name, value) in [
        ("DOVVYBUDDY_PORT", "tcp://10.0.0.11:8000"),
        ("DOVVYBUDDY_PORT_8000_TCP", "tcp://10.0.0.11:8000"),
        ("DOVVYBUDDY_PORT_8000_TCP_ADDR", "10.0.0.11"),
        ("DOVVYBUDDY_SERVICE_HOST", "10.0.0.11"),
        ("DOVVYBUDDY_SERVICE_PORT", "8000"),
        ("DOVVYBUDDY_SERVICE_PORT_HTTP", "8000"),
    ] {
        setup.variable(name, value);
    }
    let value = shown(&show(&setup, &[]).await, "http.bind");
    assert!(value.contains("127.0.0.1:8123"), "{value}");
    let (code, _, err) = setup.run(&["config", "check"]).await;
    assert_eq!(code, 0, "{err}");
}

#[tokio::test]
async fn secrets_are_masked_wherever_they_come_from() {
    let mut setup = Setup::new();
    let from_file = setup.home.path().join("token");
    std::fs::write(&from_file, format!("{SECRET}-from-file\n")).unwrap();
    setup.set("METRICS__TOKEN_FILE", from_file.to_str().unwrap());
    setup.set("LEADS__MAIL_TO", "desk@example.com");
    setup.set("LEADS__SMTP_URL", &format!("smtp://user:{SECRET}@mail.example.com"));
    setup.set("LEADS__WEBHOOK_URL", "https://example.com/leads");
    setup.set("LEADS__WEBHOOK_SECRET", "whsec_czNjcjN0LVF4Ny1aejktczNjcjN0LVF4Ny1aejk=");
    setup.variable("OPENAI_API_KEY", &format!("sk-{SECRET}"));
    setup.variable("GROQ_API_KEY", &format!("gsk_{SECRET}"));
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["config", "check"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let (_, out, err) = setup.run(arguments).await;
        let said = format!("{out}{err}");
        assert!(!said.contains(SECRET) && !said.contains("whsec_czNj"), "{arguments:?}: {said}");
    }
    let (_, out, _) = setup.run(&["config", "show"]).await;
    assert!(out.contains("leads.webhook_secret") && out.contains("***"), "{out}");
    let (code, _, err) = setup.run(&["config", "check"]).await;
    assert_eq!(code, 0, "{err}");
}

#[tokio::test]
async fn config_check_says_what_serve_would_say() {
    let setup = Setup::new();
    assert_eq!(setup.run(&["config", "check"]).await.0, 0);
    setup.file("[limits]\ndiver_per_minut = 20\n");
    let (code, out, err) = setup.run(&["config", "check"]).await;
    assert_eq!(code, 1);
    names(&format!("{out}{err}"), "diver_per_minute", "config check");
}

#[tokio::test]
async fn the_documented_file_is_the_default() {
    let setup = Setup::new();
    let documented = std::fs::read_to_string(root().join("config/dovvybuddy.toml")).unwrap();
    setup.file(&documented);
    let (code, _, err) = setup.run(&["config", "check"]).await;
    assert_eq!(code, 0, "{err}");

    // Every key that is only commented out is understood too.
    let commented = regex::Regex::new(r"(?m)^# ([a-z_]+ = .*)$").unwrap();
    let uncommented = commented.replace_all(&documented, "$1").replace("# [sites.shop]", "[sites.shop]");
    let uncommented = uncommented.replace("# [channels.webhook.crm]", "[channels.webhook.crm]");
    let with_model = uncommented.replace("\nmodels = []", "").replace("# [[llm.models]]", "[[llm.models]]");
    // In the file the caps of [llm] stand after the example of a model; TOML wants them before it.
    let (before, rest) = with_model.split_once("[[llm.models]]").unwrap();
    let (model, rest) = rest.split_once("# Caps per UTC day").unwrap();
    let (caps, rest) = rest.split_once("\n\n").unwrap();
    let whole = format!("{before}\n# Caps per UTC day{caps}\n[[llm.models]]{model}\n\n{rest}");
    let mut setup = Setup::new();
    setup.variable("GROQ_API_KEY", "gsk_x1234567");
    setup.file(
        &whole
            .replace("whsec_…", "whsec_czNjcjN0LVF4Ny1aejktczNjcjN0LVF4Ny1aejk=")
            .replace("sentry_dsn = \"…\"", "sentry_dsn = \"https://k@sentry.example/1\""),
    );
    let (code, out, err) = setup.run(&["config", "check"]).await;
    assert_eq!(code, 0, "{out}{err}");
}
