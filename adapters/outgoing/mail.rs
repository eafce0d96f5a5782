//! Leads by mail.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dovvybuddy_core::channel::{DeliveryKey, OutboundPart, Outlet, Receipt, SendError};
use dovvybuddy_core::{ChannelId, Clock};
use lettre::message::{Mailbox, Mailboxes, header::ContentType};
use lettre::transport::smtp::{Error as SmtpError, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::error::ConfigError;
use crate::lead::{LeadMail, MAIL};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the whole attempt may take.
const TIMEOUT: Duration = Duration::from_secs(25);
/// Connections at once, and how long an idle one is kept: leads are rare, and servers hang up.
const CONNECTIONS: u32 = 4;
const IDLE: Duration = Duration::from_secs(5);
/// SMTP replies that mean our credentials: "authentication required", "too weak", "credentials
/// invalid", "encryption required".
const CREDENTIALS: [&str; 4] = ["530", "534", "535", "538"];

/// Where leads are mailed to, and through which server.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// `smtps://user:password@host:465`, or `smtp://host:587` for STARTTLS. `smtp://` uses TLS where the
    /// server offers it and insists on it where a password would travel; `?tls=required` always insists,
    /// `?tls=none` never asks.
    pub smtp_url: SecretString,
    /// One address or several, separated by commas.
    pub mail_to: String,
    /// The sender; without it the server's user name if that is an address, else the first recipient.
    pub mail_from: Option<String>,
}

/// Mails leads.
pub struct MailOutlet {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Mailboxes,
    clock: Arc<dyn Clock>,
}

impl MailOutlet {
    /// Reads the settings. Nothing is connected yet.
    pub fn new(config: &MailConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let to: Mailboxes =
            config.mail_to.parse().ok().filter(|to: &Mailboxes| to.iter().next().is_some()).ok_or_else(|| {
                ConfigError::new("leads.mail_to", "an address such as leads@shop.example, or several with commas")
            })?;
        let wrong_url =
            || ConfigError::new("leads.smtp_url", "an address such as smtps://user:password@mail.example:465");
        let url = smtp_url(config.smtp_url.expose_secret()).ok_or_else(wrong_url)?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str()).map_err(|_| wrong_url())?;
        let from = sender(config, &url, &to)?;
        let pool = PoolConfig::new().max_size(CONNECTIONS).idle_timeout(IDLE);
        Ok(Self { transport: builder.timeout(Some(CONNECT)).pool_config(pool).build(), from, to, clock })
    }

    fn message(&self, mail: LeadMail, key: &DeliveryKey) -> Result<Message, SendError> {
        let unusable = |what: &str| SendError::Rejected(format!("the lead's {what} can't be mailed"));
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        // The same on every try, so that a mail server may recognise a repeat.
        let id = format!("<{}.{}@{}>", mail.lead, key.nonce(), self.from.email.domain());
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(mail.subject)
            .message_id(Some(id))
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(now))
            .header(ContentType::TEXT_PLAIN);
        // A lead taken in a chat may name another way to reach the diver.
        if let Ok(diver) = mail.email.parse::<Address>() {
            builder = builder.reply_to(Mailbox::new(Some(mail.name), diver));
        }
        for recipient in self.to.iter() {
            builder = builder.to(recipient.clone());
        }
        builder.body(mail.text).map_err(|_| unusable("text"))
    }
}

#[async_trait]
impl Outlet for MailOutlet {
    fn id(&self) -> ChannelId {
        ChannelId::new(MAIL)
    }

    async fn send(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        let mail: LeadMail = serde_json::from_value(part.payload.clone())
            .map_err(|_| SendError::Rejected("the stored lead can't be read".to_owned()))?;
        let message = self.message(mail, key)?;
        // The library bounds connecting only; a server that falls silent later is given up here.
        let sent = tokio::time::timeout(TIMEOUT, self.transport.send(message)).await;
        let response = sent.map_err(|late| SendError::Uncertain(Box::new(late)))?.map_err(judge)?;
        Ok(Receipt(Some(response.code().to_string())))
    }
}

/// What a failure means for the part.
fn judge(error: SmtpError) -> SendError {
    let status = error.status().map(|code| code.to_string());
    match status {
        Some(code) if CREDENTIALS.contains(&&*code) => SendError::Unauthorized,
        Some(code) if error.is_permanent() => SendError::Rejected(format!("the mail server answered {code}")),
        None if error.is_timeout() => SendError::Uncertain(Box::new(error)),
        // No connection, or the server said "try again later": the mail was not taken.
        _ => SendError::Transport(Box::new(error)),
    }
}

/// The address in the form the mail library reads, with our choice of encryption.
fn smtp_url(text: &str) -> Option<Url> {
    let mut url = Url::parse(text.trim()).ok()?;
    url.host()?;
    let chosen = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    let tls = match (url.scheme(), chosen.as_deref()) {
        ("smtps", None) | ("smtp", Some("none")) => None,
        ("smtp", Some("required")) => Some("required"),
        ("smtp", None) if url.password().is_some() && !is_loopback(&url) => Some("required"),
        ("smtp", None | Some("opportunistic")) => Some("opportunistic"),
        _ => return None,
    };
    url.set_query(tls.map(|tls| format!("tls={tls}")).as_deref());
    if url.port().is_none() && url.scheme() == "smtp" && tls != Some("required") {
        url.set_port(Some(if url.password().is_some() { 587 } else { 25 })).ok()?;
    }
    Some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        // Of a scheme that the standard does not know, the host is not parsed as an address.
        Some(url::Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        None => false,
    }
}

fn sender(config: &MailConfig, url: &Url, to: &Mailboxes) -> Result<Mailbox, ConfigError> {
    if let Some(from) = &config.mail_from {
        return from.parse().map_err(|_| ConfigError::new("leads.mail_from", "an address such as bot@shop.example"));
    }
    let user = url.username().replace("%40", "@").parse::<Address>().ok();
    let first = || to.iter().next().map(|mailbox| mailbox.email.clone());
    let email = user.or_else(first).ok_or_else(|| ConfigError::new("leads.mail_to", "an address"))?;
    Ok(Mailbox::new(Some("DovvyBuddy".to_owned()), email))
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::SystemClock;

    use super::*;

    fn outlet(smtp_url: &str, mail_to: &str) -> Result<MailOutlet, ConfigError> {
        let config = MailConfig { smtp_url: smtp_url.into(), mail_to: mail_to.into(), mail_from: None };
        MailOutlet::new(&config, Arc::new(SystemClock))
    }

    #[test]
    fn a_password_never_travels_in_the_clear_by_default() {
        let chosen = |text: &str| smtp_url(text).unwrap().to_string();
        assert_eq!(chosen("smtp://u:p@mail.example"), "smtp://u:p@mail.example?tls=required");
        assert_eq!(chosen("smtp://mail.example:25"), "smtp://mail.example:25?tls=opportunistic");
        assert_eq!(chosen("smtp://u:p@127.0.0.1:2525"), "smtp://u:p@127.0.0.1:2525?tls=opportunistic");
        assert_eq!(chosen("smtp://mail.example:25?tls=none"), "smtp://mail.example:25");
        assert_eq!(chosen("smtps://u:p@mail.example"), "smtps://u:p@mail.example");
    }

    #[tokio::test]
    async fn wrong_settings_are_named_and_no_secret_is_shown() {
        for (url, to, key) in [
            ("http://u:hunter2@mail.example", "a@example.com", "leads.smtp_url"),
            ("smtp://u:hunter2@mail.example?tls=maybe", "a@example.com", "leads.smtp_url"),
            ("hunter2", "a@example.com", "leads.smtp_url"),
            ("smtp://mail.example", "nobody", "leads.mail_to"),
            ("smtp://mail.example", "", "leads.mail_to"),
        ] {
            let error = outlet(url, to).err().unwrap();
            assert_eq!(error.key, key, "{url}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn the_sender_is_the_servers_user_or_the_first_recipient() {
        let from = |url: &str| outlet(url, "Shop <leads@shop.example>, b@shop.example").unwrap().from.email.to_string();
        assert_eq!(from("smtps://bot%40shop.example:p@mail.example"), "bot@shop.example");
        assert_eq!(from("smtps://user:p@mail.example"), "leads@shop.example");
    }

    #[tokio::test]
    async fn a_message_is_well_formed_whatever_a_diver_is_called() {
        let outlet = outlet("smtp://mail.example", "leads@shop.example").unwrap();
        let mail = LeadMail {
            lead: "id".into(),
            subject: "Lead (trip): Zoë \"the fish\" <x>, 潜水".into(),
            text: "Ünï\n.\nline".into(),
            name: "Zoë \"the fish\" <x@evil.example>, 潜水".into(),
            email: "zoe@example.com".into(),
        };
        let key = DeliveryKey::outbox(7, 0);
        let message = outlet.message(mail, &key).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(head.is_ascii(), "{head}");
        assert_eq!(head.matches("\r\nTo: ").count(), 1, "{head}");
        assert!(head.contains("Message-ID: <id.7.0@shop.example>"), "{head}");
        assert!(head.contains("zoe@example.com") && !head.contains("<x@evil.example>"), "{head}");
        assert_eq!(message.envelope().to().len(), 1);
    }
}
