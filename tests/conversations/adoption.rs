//! The Python service's database, taken over in place by the daemon.

use dovvybuddy_fakes::postgres::Database;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{Executor as _, Row as _};

use crate::support::Setup;

const RECENT: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const OLD: &str = "1b4e28ba-2fa1-4d2e-883f-0016d3cca427";

/// Its tables as its migrations leave them, with rows in them.
const TABLES: &str = r#"
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('004_embedding_dimension_768');

CREATE TABLE sessions (
    id uuid PRIMARY KEY, diver_profile jsonb, conversation_history jsonb,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);
INSERT INTO sessions VALUES
    ('6f9619ff-8b86-4d01-b42d-00cf4fc964ff',
     '{"certification_level": "AOW", "experience_dives": 12, "interests": ["wrecks"], "fears": ["currents"]}',
     '[{"role": "user", "content": "How deep can a PADI Open Water Diver go?"},
       {"role": "assistant", "content": "To 18 metres."}]', now() - interval '2 hours', now() - interval '1 hour'),
    ('1b4e28ba-2fa1-4d2e-883f-0016d3cca427', NULL, '[{"role": "user", "content": "Old words"}]',
     now() - interval '4 days', now() - interval '3 days'),
    ('a3bb189e-8bf9-4c8e-9d2e-1f0d2f3c4b5a', NULL, NULL, now(), now());

CREATE TABLE leads (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), type varchar NOT NULL, diver_profile jsonb,
    request_details jsonb NOT NULL, created_at timestamptz DEFAULT now()
);
INSERT INTO leads (type, diver_profile, request_details) VALUES ('trip', '{"certification_level": "OW", "fears": null}',
    '{"name": "Grace Hopper", "email": "grace@example.com", "phone": null, "destination": "Tioman", "group_size": 2}');

CREATE TABLE destinations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name varchar NOT NULL, country varchar NOT NULL,
    is_active boolean NOT NULL DEFAULT true, created_at timestamptz DEFAULT now()
);
CREATE TABLE dive_sites (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    destination_id uuid NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    name varchar NOT NULL, description varchar, dive_site_id varchar NOT NULL UNIQUE, difficulty_rating integer,
    depth_min_m real, depth_max_m real, tags jsonb, last_updated timestamptz, min_certification_level varchar,
    min_logged_dives integer, difficulty_band varchar, access_type varchar, data_quality varchar,
    is_active boolean NOT NULL DEFAULT true, created_at timestamptz DEFAULT now(), updated_at timestamptz
);
INSERT INTO destinations (name, country) VALUES ('Tioman', 'Malaysia');
INSERT INTO dive_sites (destination_id, name, description, dive_site_id, depth_min_m, depth_max_m, tags,
        min_certification_level, difficulty_band, access_type, data_quality)
    SELECT id, 'Tiger Reef', 'Tiger Reef is a chain of submerged pinnacles with soft corals.', 'tioman-tiger-reef', 9,
        26.5, '["reef"]', 'AOW', 'intermediate', 'boat', 'compiled' FROM destinations;

CREATE TABLE content_embeddings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), content_path varchar NOT NULL, chunk_text text NOT NULL,
    chunk_text_tsv tsvector GENERATED ALWAYS AS (to_tsvector('english', chunk_text)) STORED,
    embedding vector(768), metadata jsonb, created_at timestamptz DEFAULT now()
);
CREATE INDEX idx_content_embeddings_hnsw ON content_embeddings USING hnsw (embedding vector_cosine_ops);
INSERT INTO content_embeddings (content_path, chunk_text, embedding)
    SELECT 'destinations/tioman.md', 'Tioman', array_fill(0.1, ARRAY[768])::vector;
"#;

async fn old_database() -> Database {
    let database = Database::create().await.expect("a server for the tests");
    sqlx::raw_sql(TABLES).execute(&mut database.connect().await.unwrap()).await.unwrap();
    database
}

/// A daemon's environment as the Python service had it.
fn as_it_was(database: &Database) -> Setup {
    let mut setup = Setup::slice();
    setup.variable("DATABASE_URL", &database.url().replace("postgres://", "postgresql+asyncpg://"));
    setup.variable("LEAD_EMAIL_TO", "desk@example.com");
    setup.variable("CORS_ORIGINS", r#"["https://dive.example", "http://localhost:3000"]"#);
    setup
}

async fn count(database: &Database, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let mut conn = database.connect().await.unwrap();
    conn.fetch_one(sqlx::query(sqlx::AssertSqlSafe(sql))).await.unwrap().get(0)
}

#[tokio::test]
async fn conversations_go_on_where_they_were() {
    let database = old_database().await;
    let setup = as_it_was(&database);
    let daemon = setup.start().await;
    let session: Value = daemon.get(&format!("/api/sessions/{RECENT}")).await.unwrap().json().await.unwrap();
    let profile = &session["diver_profile"];
    assert_eq!((&profile["cert_level"], &profile["dives"]), (&json!("AOW"), &json!(12)), "{session}");
    assert_eq!((&profile["concerns"], &profile["interests"]), (&json!(["currents"]), &json!(["wrecks"])), "{session}");
    assert_eq!(daemon.history(RECENT).await[1], ("assistant".into(), "To 18 metres.".into()));

    let answer = daemon.ask(Some(RECENT), "And how long should I wait before flying?").await;
    assert_eq!(answer["sessionId"], RECENT);
    assert_eq!(daemon.history(RECENT).await.len(), 4);
    let restarted = daemon.ask(Some(OLD), "How deep can a PADI Open Water Diver go?").await;
    assert_eq!((&restarted["sessionId"], &restarted["metadata"]["sessionRestarted"]), (&json!(OLD), &json!(true)));
    assert_eq!(count(&database, "sessions").await, 3);

    let deleted = daemon.client.delete(format!("{}/api/sessions/{RECENT}", daemon.base)).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(daemon.get(&format!("/api/sessions/{RECENT}")).await.unwrap().status(), StatusCode::NOT_FOUND);
    daemon.kill().await;
}

#[tokio::test]
async fn leads_are_listed_and_places_answer() {
    let database = old_database().await;
    let setup = as_it_was(&database);
    let daemon = setup.start().await;
    let leads = setup.ok(&["leads", "list"]).await;
    assert!(leads.contains("Grace Hopper"), "{leads}");
    let about = daemon.ask(None, "What is Tiger Reef at Tioman like, and how deep is it?").await;
    assert!(about["message"].as_str().unwrap().contains("26.5 m"), "{about}");
    assert_eq!(about["metadata"]["citations"][0]["title"], "Tiger Reef", "{about}");
    assert_eq!(count(&database, "content_embeddings WHERE dim = 768").await, 0);
    assert_eq!(count(&database, "destinations WHERE destination_id = 'tioman'").await, 1);

    // The front end's origin is let in.
    let address = format!("{}/api/sessions/{RECENT}", daemon.base);
    let request = daemon.client.get(address).header("Origin", "https://dive.example");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://dive.example");

    // Ingesting leaves them alone, until a document describes the same site.
    setup.ok(&["content", "ingest", "--full"]).await;
    assert_eq!(count(&database, "dive_sites WHERE site_id = 'tioman-tiger-reef'").await, 1);
    setup.document(
        "destinations/tioman/tiger-reef.md",
        "---\ntitle: Tiger Reef\ndoc_type: dive_site\nsite_id: tioman-tiger-reef\n---\n# Tiger Reef\n\nFrom 7 to 24 m.\n",
    );
    setup.ok(&["content", "ingest"]).await;
    assert_eq!(count(&database, "dive_sites WHERE site_id = 'tioman-tiger-reef'").await, 1);
    assert_eq!(count(&database, "documents WHERE path = 'destinations/tioman/tiger-reef.md'").await, 1);
    daemon.kill().await;
}

/// Replicas that start on it at once take it over once; a command that only reads leaves it alone.
#[tokio::test]
async fn it_is_taken_over_once_and_only_by_who_may() {
    let database = old_database().await;
    let setups = [as_it_was(&database), as_it_was(&database), as_it_was(&database)];
    assert!(setups[0].fails(&["leads", "list"]).await.contains("dovvybuddy migrate"));
    assert_eq!(count(&database, "leads WHERE request_details IS NOT NULL").await, 1);
    let [one, two, three] = &setups;
    let daemons = tokio::join!(one.start(), two.start(), three.start());
    assert_eq!((count(&database, "sessions").await, count(&database, "leads").await), (3, 1));
    for daemon in [daemons.0, daemons.1, daemons.2] {
        assert_eq!(daemon.history(RECENT).await.len(), 2);
        daemon.kill().await;
    }
}

/// What hangs on its tables would be lost: nothing is touched, and it is said why.
#[tokio::test]
async fn where_something_hangs_on_its_tables_nothing_is_changed() {
    let database = old_database().await;
    let mut conn = database.connect().await.unwrap();
    conn.execute("CREATE VIEW report AS SELECT type, request_details FROM leads").await.unwrap();
    let told = as_it_was(&database).fails(&["migrate"]).await;
    assert!(told.contains("leads"), "{told}");
    assert_eq!((count(&database, "report").await, count(&database, "sessions").await), (1, 3));
}
