//! Replicas of two versions side by side, and a schema that somebody else brings up to date.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dovvybuddy_fakes::postgres::Database;
use sqlx::Executor as _;

use super::{Fleet, QUESTION, counted, go_on};
use crate::postgres::on;
use crate::support::root;
use crate::wire::{PATIENCE, eventually};

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

/// What a later version may do that only adds.
async fn only_adds(database: &Database) {
    let later = "ALTER TABLE sessions ADD COLUMN mood text NOT NULL DEFAULT '';
                 ALTER TABLE inbox ADD COLUMN weight bigint;
                 ALTER TABLE outbox ADD COLUMN priority bigint NOT NULL DEFAULT 0;
                 ALTER TABLE turns ADD COLUMN mood text;
                 CREATE TABLE moods (name text PRIMARY KEY);
                 INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', true, '', 1)";
    sqlx::raw_sql(later).execute(&mut database.connect().await.unwrap()).await.unwrap();
}

/// While replicas of the newer version replace those of the older one, the older ones go on, and one that dies comes up
/// again. Only a migration that says so shuts them out.
#[tokio::test]
async fn a_replica_goes_on_when_a_newer_one_brought_the_schema_up_to_date() {
    let database = Database::create().await.unwrap();
    let (old, late) = (on(&database), on(&database));
    let daemon = old.start().await;
    let session = daemon.session().await;
    daemon.ask(Some(&session), QUESTION).await;
    only_adds(&database).await;
    daemon.ask(Some(&session), "And how long should I wait before flying?").await;
    let other = late.start().await;
    other.ask(Some(&session), QUESTION).await;
    assert_eq!(other.history(&session).await.len(), 6);
    other.kill().await;
    let doctor = late.run(&["doctor"]).await.1;
    assert!(doctor.contains("warn  schema: version 9999"), "{doctor}");
    assert_eq!(late.json(&["migrate", "--json"]).await["schema_version"], 9999);

    let raise = "UPDATE meta SET value = 9999 WHERE name = 'oldest_program'";
    sqlx::raw_sql(raise).execute(&mut database.connect().await.unwrap()).await.unwrap();
    assert!(late.fails(&["serve"]).await.contains("use a newer program"));
    daemon.terminate();
    assert!(daemon.ended().await.success());
}

/// A rolling upgrade under load, at its worst moment: the schema is the newer one's already, and every older replica
/// dies before it is replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_replicas_killed_on_a_newer_schema_come_up_again_and_nothing_is_lost() {
    const PACE: Duration = Duration::from_millis(150);
    let database = Database::create().await.unwrap();
    let mut fleet = Fleet::start((0..3).map(|_| on(&database)).collect()).await;
    let mut all = fleet.talks(12).await;
    let (over, bases) = (AtomicBool::new(false), Arc::clone(&fleet.bases));
    let talking = go_on(&mut all, &bases, PACE, &over);
    let upgrading = async {
        let answered = async |more: i64| {
            let goal = counted(&database.url(), "SELECT count(*) FROM turns").await + more;
            eventually("they go on", PATIENCE, async || {
                (counted(&database.url(), "SELECT count(*) FROM turns").await >= goal).then_some(())
            })
            .await;
        };
        answered(24).await;
        only_adds(&database).await;
        for n in 0..3 {
            answered(24).await;
            fleet.replace(n).await;
        }
        answered(24).await;
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(talking, upgrading);
    let messages = fleet.check(&database.url(), &all).await;
    println!("3 kills on a newer schema, {messages} messages: 0 lost, 0 second turns, 0 inversions");
    fleet.end().await;
}

/// Both stores have the same migrations by number and name, and ask the same of older programs.
#[test]
fn the_numbers_of_migrations_mean_the_same_on_both_stores() {
    let of = |store: &str| {
        let mut migrations: Vec<(String, Vec<String>)> = std::fs::read_dir(root().join("migrations").join(store))
            .unwrap()
            .map(|file| {
                let file = file.unwrap();
                let text = std::fs::read_to_string(file.path()).unwrap();
                let asks = text.lines().filter(|line| !line.starts_with("--") && line.contains("'oldest_program'"));
                (file.file_name().into_string().unwrap(), asks.map(str::to_owned).collect())
            })
            .collect();
        migrations.sort();
        migrations
    };
    let (sqlite, postgres) = (of("sqlite"), of("postgres"));
    assert!(sqlite.iter().any(|(_, asks)| !asks.is_empty()), "{sqlite:?}");
    assert_eq!(sqlite, postgres);
}
