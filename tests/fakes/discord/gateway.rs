//! The gateway: HELLO, IDENTIFY, heartbeats, RESUME, and everything that may go wrong between them.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::wire;
use super::world::{GUILDS, MESSAGE_CONTENT, Out, Resumes, Session, Shared, lock, snowflake};

pub(super) async fn open(
    State(shared): State<Shared>,
    OriginalUri(uri): OriginalUri,
    upgrade: WebSocketUpgrade,
) -> Response {
    let for_resumes = uri.path().starts_with("/resume");
    upgrade.on_upgrade(move |socket| serve(shared, socket, for_resumes))
}

/// One socket's view.
struct Connection {
    shared: Shared,
    socket: WebSocket,
    session: Option<String>,
    for_resumes: bool,
    feed: mpsc::Sender<Out>,
    last_heartbeat: Instant,
}

/// Why a socket ends.
enum End {
    Close(u16),
    Gone,
}

async fn serve(shared: Shared, socket: WebSocket, for_resumes: bool) {
    let (interval, waiting, down) = {
        let mut world = lock(&shared);
        world.counts.sockets += 1;
        (world.settings.heartbeat, world.settings.waiting, world.down)
    };
    let (feed, mut told) = mpsc::channel(waiting);
    let mut connection =
        Connection { shared, socket, session: None, for_resumes, feed, last_heartbeat: Instant::now() };
    if down {
        return;
    }
    let hello = json!({ "op": 10, "d": { "heartbeat_interval": millis(interval) } });
    let end = match connection.send(&hello).await {
        Ok(()) => connection.talk(&mut told, interval).await,
        Err(end) => end,
    };
    let Connection { shared, mut socket, session, feed, .. } = connection;
    if let Some(session) = session {
        let mut world = lock(&shared);
        // Unless it was resumed on another socket meanwhile.
        if let Some(session) = world.sessions.get_mut(&session)
            && session.socket.as_ref().is_some_and(|socket| socket.same_channel(&feed))
        {
            session.socket = None;
        }
    }
    if let End::Close(code) = end {
        let frame = CloseFrame { code, reason: "".into() };
        let _ = socket.send(Frame::Close(Some(frame))).await;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Connection {
    async fn send(&mut self, payload: &Value) -> Result<(), End> {
        self.socket.send(Frame::Text(payload.to_string().into())).await.map_err(|_| End::Gone)
    }

    async fn talk(&mut self, told: &mut mpsc::Receiver<Out>, interval: Duration) -> End {
        loop {
            let patience = interval * 2;
            let step = tokio::select! {
                out = told.recv() => match out {
                    _ if self.is_cut_off() => Err(End::Gone),
                    Some(Out::Payload(payload)) if !lock(&self.shared).zombie => self.send(&payload).await,
                    Some(Out::Payload(_)) => Ok(()),
                    Some(Out::Close(code)) => Err(End::Close(code)),
                    Some(Out::Drop) | None => Err(End::Gone),
                },
                frame = self.socket.recv() => match frame {
                    Some(Ok(Frame::Text(text))) => match serde_json::from_str::<Value>(&text) {
                        Ok(payload) => self.obey(&payload).await,
                        Err(_) => Err(End::Close(4002)),
                    },
                    Some(Ok(Frame::Close(frame))) => {
                        self.closed(frame.map(|f| f.code));
                        Err(End::Gone)
                    }
                    Some(Ok(_)) => Ok(()),
                    Some(Err(_)) | None => Err(End::Gone),
                },
                () = tokio::time::sleep_until(self.last_heartbeat + patience) => Err(End::Close(4009)),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// The session goes on without this socket.
    fn is_cut_off(&self) -> bool {
        let world = lock(&self.shared);
        let session = self.session.as_ref().and_then(|session| world.sessions.get(session));
        session.is_some_and(|session| session.socket.as_ref().is_none_or(|socket| !socket.same_channel(&self.feed)))
    }

    /// A client that closes with 1000 or 1001 gives its session up.
    fn closed(&self, code: Option<u16>) {
        if matches!(code, Some(1000 | 1001))
            && let Some(session) = &self.session
        {
            lock(&self.shared).sessions.remove(session);
        }
    }

    async fn obey(&mut self, payload: &Value) -> Result<(), End> {
        match payload["op"].as_u64() {
            Some(1) => {
                self.last_heartbeat = Instant::now();
                let zombie = {
                    let mut world = lock(&self.shared);
                    world.counts.heartbeats += 1;
                    world.zombie
                };
                if zombie { Ok(()) } else { self.send(&json!({ "op": 11 })).await }
            }
            Some(2) if self.session.is_some() => Err(End::Close(4005)),
            Some(2) => self.identify(&payload["d"]).await,
            Some(6) if lock(&self.shared).resumes == Resumes::Ignored => Ok(()),
            Some(6) => self.resume(&payload["d"]).await,
            Some(3 | 4 | 8) if self.session.is_some() => Ok(()),
            Some(3 | 4 | 8) => Err(End::Close(4003)),
            _ => Err(End::Close(4001)),
        }
    }

    async fn identify(&mut self, data: &Value) -> Result<(), End> {
        let verdict = self.admit(data)?;
        let Some((session, ready, guilds)) = verdict else {
            // Too soon after another: the platform waits a little and says so.
            return self.send(&json!({ "op": 9, "d": false })).await;
        };
        self.session = Some(session);
        self.send(&ready).await?;
        for guild in guilds {
            self.send(&guild).await?;
        }
        Ok(())
    }

    /// Checks an IDENTIFY and opens the session; `None`: come again.
    fn admit(&self, data: &Value) -> Result<Option<(String, Value, Vec<Value>)>, End> {
        let mut world = lock(&self.shared);
        let given = data["token"].as_str().unwrap_or_default();
        if world.token.as_ref().is_none_or(|token| given.trim_start_matches("Bot ") != token) {
            return Err(End::Close(4004));
        }
        let intents = data["intents"].as_u64().unwrap_or(0);
        if intents & MESSAGE_CONTENT != 0 && !world.settings.message_content {
            return Err(End::Close(4014));
        }
        let shard = |i: usize| data["shard"].get(i).and_then(Value::as_u64);
        let (id, of) = (shard(0).unwrap_or(0), shard(1).unwrap_or(1).max(1));
        if id >= of {
            return Err(End::Close(4010));
        }
        let now = Instant::now();
        let apart = world.settings.identify_apart;
        if world.identified_at.get(&0).is_some_and(|last| now.duration_since(*last) < apart) {
            return Ok(None);
        }
        world.identified_at.insert(0, now);
        world.counts.identified += 1;
        let session = format!("session-{}", snowflake());
        let resume_at = format!("{}/resume", world.base.replacen("http", "ws", 1));
        let mine: Vec<u64> = world.guilds.keys().copied().filter(|g| (g >> 22) % of == id).collect();
        let unavailable: Vec<Value> =
            mine.iter().map(|g| json!({ "id": g.to_string(), "unavailable": true })).collect();
        let ready = json!({ "op": 0, "t": "READY", "s": 1, "d": {
            "v": 10, "user": world.users.get(&world.bot).map(wire::user), "guilds": unavailable,
            "session_id": session, "resume_gateway_url": resume_at, "shard": [id, of],
            "application": { "id": world.application.to_string(), "flags": 0 },
        }});
        let mut opened = Session {
            seq: 1,
            intents,
            shard: (id, of),
            events: [ready.clone()].into(),
            socket: Some(self.feed.clone()),
        };
        let mut guilds = Vec::new();
        if intents & GUILDS != 0 {
            for guild in mine {
                opened.seq += 1;
                let event = json!({ "op": 0, "t": "GUILD_CREATE", "s": opened.seq, "d": wire::guild(&world, guild) });
                opened.events.push_back(event.clone());
                guilds.push(event);
            }
        }
        world.sessions.insert(session.clone(), opened);
        Ok(Some((session, ready, guilds)))
    }

    async fn resume(&mut self, data: &Value) -> Result<(), End> {
        let missed = {
            let mut world = lock(&self.shared);
            let given = data["token"].as_str().unwrap_or_default().trim_start_matches("Bot ").to_owned();
            if world.token.as_ref() != Some(&given) {
                return Err(End::Close(4004));
            }
            if !self.for_resumes {
                world.counts.resumed_elsewhere += 1;
            }
            let id = data["session_id"].as_str().unwrap_or_default().to_owned();
            let seq = data["seq"].as_u64().unwrap_or(0);
            let refused = world.resumes == Resumes::Refused;
            // Of what is kept no more, nothing can be left out in silence.
            let all_kept = |session: &&mut Session| {
                session.events.front().and_then(|event| event["s"].as_u64()).is_none_or(|first| first <= seq + 1)
            };
            if let Some(session) = world.sessions.get_mut(&id).filter(|_| !refused).filter(all_kept) {
                session.socket = Some(self.feed.clone());
                let after = |event: &&Value| event["s"].as_u64().is_some_and(|s| s > seq);
                let mut missed: Vec<Value> = session.events.iter().filter(after).cloned().collect();
                session.seq += 1;
                let resumed = json!({ "op": 0, "t": "RESUMED", "s": session.seq, "d": {} });
                session.events.push_back(resumed.clone());
                missed.push(resumed);
                world.counts.resumed += 1;
                self.session = Some(id);
                Some(missed)
            } else {
                world.counts.refused_resumes += 1;
                None
            }
        };
        match missed {
            Some(missed) => {
                for event in missed {
                    self.send(&event).await?;
                }
                Ok(())
            }
            None => self.send(&json!({ "op": 9, "d": false })).await,
        }
    }
}
