//! Replicas of two versions side by side, and a schema that somebody else brings up to date.

use dovvybuddy_fakes::postgres::Database;
use sqlx::Executor as _;

use super::{QUESTION, on};

/// A schema is brought up to date by a command of its own; replicas that may not do it themselves wait for it.
#[tokio::test]
async fn migrations_are_a_command_and_replicas_need_no_right_to_them() {
    let database = Database::create().await.unwrap();
    let mut setup = on(&database);
    assert!(setup.fails(&["serve", "--no-migrate"]).await.contains("dovvybuddy migrate"));
    setup.ok(&["migrate"]).await;

    let role = format!("runner_{}", database.url().rsplit('/').next().unwrap());
    let mut conn = database.connect().await.unwrap();
    let grants = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'geheim';
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {role}"
    );
    conn.execute(sqlx::AssertSqlSafe(grants)).await.unwrap();
    let url = database.url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    setup.variable("DATABASE_URL", &format!("{scheme}://{role}:geheim@{host}"));
    setup.argument("--no-migrate");
    let daemon = setup.start().await;
    let answer = daemon.ask(None, QUESTION).await;
    assert!(answer["message"].as_str().unwrap().contains("18 m"), "{answer}");
    daemon.terminate();
    assert!(daemon.ended().await.success());
    let gone = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    conn.execute(sqlx::AssertSqlSafe(gone)).await.unwrap();
}

/// While replicas of the newer version replace those of the older one, the older ones go on: a migration only adds.
#[tokio::test]
async fn a_replica_goes_on_when_a_newer_one_brought_the_schema_up_to_date() {
    let database = Database::create().await.unwrap();
    let (old, late) = (on(&database), on(&database));
    let daemon = old.start().await;
    let session = daemon.session().await;
    daemon.ask(Some(&session), QUESTION).await;
    // What a later version may do.
    let later = "ALTER TABLE sessions ADD COLUMN mood text NOT NULL DEFAULT '';
                 ALTER TABLE inbox ADD COLUMN weight bigint;
                 ALTER TABLE outbox ADD COLUMN priority bigint NOT NULL DEFAULT 0;
                 ALTER TABLE turns ADD COLUMN mood text;
                 CREATE TABLE moods (name text PRIMARY KEY);
                 INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', true, '', 1)";
    sqlx::raw_sql(later).execute(&mut database.connect().await.unwrap()).await.unwrap();
    daemon.ask(Some(&session), "And how long should I wait before flying?").await;
    assert_eq!(daemon.history(&session).await.len(), 4);
    assert!(late.fails(&["serve"]).await.contains("use a newer program"));
    daemon.terminate();
    assert!(daemon.ended().await.success());
}
