//! Runs the loops of channels: everywhere, or on one replica at a time where a platform allows only one.

use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::Clock;
use dovvybuddy_core::channel::{BoxError, ChannelAdapter};
use dovvybuddy_core::intake::Intake;
use dovvybuddy_core::store::Store;
use dovvybuddy_core::supervise::Progress;
use tokio_util::sync::CancellationToken;

/// How often a replica says that it still receives, and how often another asks whether it may.
const ASK: Duration = Duration::from_secs(2);

/// One channel's receiving.
#[derive(Clone)]
pub(crate) struct Receiving {
    /// The channel.
    pub(crate) channel: Arc<dyn ChannelAdapter>,
    /// Where its events go.
    pub(crate) intake: Intake,
    /// Its watermark.
    pub(crate) progress: Arc<Progress>,
    /// Who tells whose turn it is.
    pub(crate) store: Arc<dyn Store>,
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
    /// What only one replica may hold; differs for every bot.
    pub(crate) name: String,
}

/// Tells by a metric, until it is dropped, that this replica is the one that receives.
struct Told(String);

impl Told {
    fn new(task: &str) -> Self {
        tell(task, true);
        Self(task.to_owned())
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        tell(&self.0, false);
    }
}

fn tell(task: &str, receives: bool) {
    metrics::gauge!("dovvybuddy_receiving", "task" => task.to_owned()).set(if receives { 1.0 } else { 0.0 });
}

impl Receiving {
    /// Receives until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), BoxError> {
        if !self.channel.receives_alone() {
            return Ok(self.channel.run(self.intake, self.progress, stop).await?);
        }
        tell(self.progress.name(), false);
        while self.wait(&stop).await {
            let _told = Told::new(self.progress.name());
            let held = stop.child_token();
            let run = self.channel.run(self.intake.clone(), Arc::clone(&self.progress), held.clone());
            tokio::pin!(run);
            tokio::select! {
                ended = &mut run => {
                    // Whoever is next need not wait for us to be given up.
                    if let Err(error) = self.store.let_go(&self.name).await {
                        tracing::debug!(error = %error, "another replica takes over a little later");
                    }
                    return Ok(ended?);
                }
                () = self.lost() => {
                    tracing::warn!(task = self.progress.name(), "another replica receives for this one");
                    held.cancel();
                    run.await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until this replica is the one that receives; `false` when the daemon stops first.
    async fn wait(&self, stop: &CancellationToken) -> bool {
        while !stop.is_cancelled() {
            match self.store.hold(&self.name).await {
                Ok(true) => return true,
                // That another one receives is all there is to do here.
                Ok(false) => self.progress.tick(self.clock.now()),
                Err(error) => tracing::warn!(error = %error, "it is not known who receives"),
            }
            tokio::select! {
                () = tokio::time::sleep(ASK) => {}
                () = stop.cancelled() => {}
            }
        }
        false
    }

    /// Resolves when another replica has taken over. While the database can't be asked, receiving goes on: an
    /// emergency is answered without it, and what two replicas hear is stored once.
    async fn lost(&self) {
        loop {
            tokio::time::sleep(ASK).await;
            if let Ok(false) = self.store.hold(&self.name).await {
                return;
            }
        }
    }
}
