//! One daemon on Telegram and on Discord: what divers have on both, what the operator is told, and that
//! trouble of one is no trouble of the other.

mod languages;
mod load;
mod operator;
mod outage;
mod people;

use dovvybuddy_fakes::discord::Discord;
use dovvybuddy_fakes::telegram::FakeTelegram;

use crate::discord_support::{self, quick, until};
use crate::support::{Daemon, Setup};
use crate::telegram;

/// Both platforms, and the setup of a daemon that uses them.
struct Both {
    telegram: FakeTelegram,
    discord: Discord,
    setup: Setup,
}

impl Both {
    async fn new() -> Self {
        let (discord, mut setup) = discord_support::platform(quick()).await;
        let telegram = telegram::platform().await;
        setup.set("TELEGRAM__API_URL", &telegram.url());
        setup.variable("TELEGRAM_BOT_TOKEN", telegram::TOKEN);
        Self { telegram, discord, setup }
    }

    /// Started, and listening to both.
    async fn start(&self) -> Daemon {
        let daemon = self.setup.start().await;
        until("the gateway is connected", || self.discord.connected()).await;
        daemon
    }
}

#[tokio::test]
async fn a_diver_joins_two_chats_and_is_forgotten_in_both() {
    let both = Both::new().await;
    let daemon = both.start().await;
    let (ada, place) = (telegram::ada(), both.telegram.private(&telegram::ada()));
    let user = both.discord.user("ada", "en-US");
    let chat = both.discord.direct(user);
    telegram::ask(&both.telegram, place, &ada, "I have the Open Water certificate and 37 logged dives").await;
    let given = telegram::ask(&both.telegram, place, &ada, "/link").await;
    let code = given.text.split_whitespace().last().expect("a code").to_owned();
    let slash = async |name: &str, options: &[(&str, &str)]| {
        let token = both.discord.slash(user, chat, name, options).await;
        crate::discord_commands::answered(&both.discord, &token).await.message.unwrap().content
    };
    let wrong = slash("link", &[("code", "AAAA-AAAA")]).await;
    assert!(!wrong.contains("both chats are joined"), "{wrong}");
    let joined = slash("link", &[("code", &code)]).await;
    assert!(joined.contains("both chats are joined"), "{joined}");
    let profile = slash("profile", &[]).await;
    assert!(profile.contains("37"), "what was told on Telegram is known on Discord: {profile}");
    let eve = both.discord.user("eve", "en-US");
    let token = both.discord.slash(eve, both.discord.direct(eve), "link", &[("code", &code)]).await;
    let stolen = crate::discord_commands::answered(&both.discord, &token).await.message.unwrap().content;
    assert!(!stolen.contains("both chats are joined"), "a code joins one diver: {stolen}");
    slash("forget", &[]).await;
    let left = telegram::ask(&both.telegram, place, &ada, "/profile").await;
    assert!(left.text.contains("don't remember anything"), "{}", left.text);
    let held = telegram::ask(&both.telegram, place, &ada, "/export").await;
    assert!(!held.text.contains("37 logged dives"), "{}", held.text);
    daemon.kill().await;
}
