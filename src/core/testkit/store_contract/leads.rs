//! Rules of leads.

use serde_json::json;

use super::Lab;
use super::make::{fresh, later, number};
use crate::channel::Receipt;
use crate::ids::{BotId, ChannelId, LeadId};
use crate::lead::{Lead, LeadKind};
use crate::session::DiverProfile;
use crate::store::{Notice, PartResult};
use crate::testkit::clock::numbered;

pub(super) fn lead(name: &str, ms: u64) -> Lead {
    Lead {
        id: LeadId(numbered(number())),
        bot: BotId::default(),
        kind: LeadKind::Trip,
        data: json!({ "name": name, "group_size": 2 }),
        session: Some(fresh()),
        profile: DiverProfile { dives: Some(3), ..DiverProfile::default() },
        created_at: later(ms),
    }
}

pub(super) fn notice(outlet: &str, lead: &Lead) -> Notice {
    Notice {
        outlet: ChannelId::new(outlet),
        subject: lead.id.to_string(),
        payload: json!({ "lead": lead.data["name"] }),
    }
}

/// One write: the lead, and what is to be sent of it.
pub async fn a_lead_is_stored_with_its_deliveries(lab: &mut dyn Lab) {
    let (store, lead) = (lab.store(), lead("Ada", 0));
    store.add_lead(&lead, &[notice("mail", &lead), notice("lead-webhook", &lead)]).await.unwrap();
    let listed = store.leads(&lead.bot, 9).await.unwrap();
    assert_eq!((listed.len(), &listed[0].lead), (1, &lead));
    assert_eq!(listed[0].deliveries.len(), 2);
    let due = store.due(later(0), 9).await.unwrap();
    let mut outlets: Vec<_> = due.iter().map(|part| part.outlet.as_str()).collect();
    outlets.sort_unstable();
    assert_eq!(outlets, ["lead-webhook", "mail"]);
    assert_eq!(due[0].payload, json!({ "lead": "Ada" }));
}

/// Without an outlet the lead is kept all the same.
pub async fn a_lead_without_deliveries_is_stored(lab: &mut dyn Lab) {
    let (store, mut lead) = (lab.store(), lead("Ada", 0));
    lead.session = None;
    lead.kind = LeadKind::Training;
    store.add_lead(&lead, &[]).await.unwrap();
    let listed = store.leads(&lead.bot, 9).await.unwrap();
    assert_eq!((&listed[0].lead, listed[0].deliveries.len()), (&lead, 0));
}

/// An operator sees how far a delivery got, and why it failed.
pub async fn the_state_of_a_delivery_shows(lab: &mut dyn Lab) {
    let (store, lead) = (lab.store(), lead("Ada", 0));
    store.add_lead(&lead, &[notice("mail", &lead)]).await.unwrap();
    let state = async || {
        let delivery = store.leads(&lead.bot, 9).await.unwrap().remove(0).deliveries.remove(0);
        (delivery.state, delivery.attempts, delivery.error)
    };
    assert_eq!(state().await, ("pending".into(), 0, None));
    let part = store.due(later(0), 9).await.unwrap().remove(0);
    assert_eq!(state().await, ("send_started".into(), 1, None));
    let retry = PartResult::Retry { at: later(5), error: "no route".into(), uncertain: false };
    store.settle(part.id, &retry).await.unwrap();
    assert_eq!(state().await, ("pending".into(), 1, Some("no route".into())));
    let part = store.due(later(5), 9).await.unwrap().remove(0);
    store.settle(part.id, &PartResult::Sent { receipt: Receipt(None), at: later(6) }).await.unwrap();
    assert_eq!(state().await, ("sent".into(), 2, None));
}

/// A resend makes new parts, and the list shows the newest try of each outlet.
pub async fn a_lead_can_be_sent_again(lab: &mut dyn Lab) {
    let (store, lead) = (lab.store(), lead("Ada", 0));
    store.add_lead(&lead, &[notice("mail", &lead)]).await.unwrap();
    let part = store.due(later(0), 9).await.unwrap().remove(0);
    store.settle(part.id, &PartResult::Dead { error: "bounced".into() }).await.unwrap();
    assert!(store.resend_lead(lead.id, &[notice("mail", &lead)], later(9)).await.unwrap());
    let listed = store.leads(&lead.bot, 9).await.unwrap().remove(0);
    assert_eq!((listed.deliveries.len(), listed.deliveries[0].state.as_str()), (1, "pending"));
    assert_eq!(store.due(later(9), 9).await.unwrap().len(), 1);
    let unknown = LeadId(numbered(number()));
    assert!(!store.resend_lead(unknown, &[notice("mail", &lead)], later(9)).await.unwrap());
}

/// Another bot's leads are not listed.
pub async fn leads_come_newest_first_within_their_bot(lab: &mut dyn Lab) {
    let store = lab.store();
    for (n, name) in (0..).zip(["first", "second", "third"]) {
        store.add_lead(&lead(name, n), &[]).await.unwrap();
    }
    store.add_lead(&Lead { bot: BotId::new("other"), ..lead("foreign", 9) }, &[]).await.unwrap();
    let names = |records: Vec<crate::lead::LeadRecord>| {
        records.iter().map(|r| r.lead.data["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(store.leads(&BotId::default(), 9).await.unwrap()), ["third", "second", "first"]);
    assert_eq!(names(store.leads(&BotId::default(), 2).await.unwrap()), ["third", "second"]);
}
