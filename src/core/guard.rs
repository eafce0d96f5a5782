//! The emergency guard: the first look at every message, before anything that can fail or wait.

use serde::{Deserialize, Serialize};

use crate::ids::AgentId;
use crate::lang::Lang;
use crate::reply::{Reply, Safety};

/// Recognises an emergency and finds the words for it. Deterministic, without network, model or
/// store; an assessment takes well under 5 ms.
pub trait EmergencyGuard: Send + Sync {
    /// Judges `message` in the light of what was heard before.
    fn assess(&self, message: &str, heard: &Heard) -> Assessment;

    /// Whom to call in a diving emergency, a line each, for a diver who asks `message` about it: the numbers
    /// of the region and the operator's contacts.
    fn helplines(&self, message: &str, heard: &Heard, lang: Lang) -> String;

    /// What answers a button by which the diver calls off an emergency of `kind`, if there are words for it.
    fn stood_down(&self, _kind: EmergencyKind, _lang: Lang) -> Option<String> {
        None
    }
}

/// What the guard knows of the conversation when a message arrives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// What the diver said lately, oldest first.
    pub said: Vec<String>,
    /// An emergency that stands in this conversation.
    pub standing: Option<StandingEmergency>,
    /// The platform's idea of the diver's language, such as `pt-BR`; its region chooses hotlines.
    pub locale: Option<String>,
    /// The region in the diver's profile, if known.
    pub region: Option<String>,
}

/// What the guard makes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assessment {
    /// No sign of danger.
    Calm,
    /// Someone may be in danger now.
    Emergency(Alarm),
    /// The diver said that the standing emergency is none. `reply` answers a message that says
    /// nothing else.
    StoodDown {
        /// The fixed answer, if the message needs no other.
        reply: Option<String>,
        /// Its language.
        lang: Lang,
    },
}

/// An emergency and its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The whole reply, in the diver's language, numbers and contacts included.
    pub text: String,
    /// The language of the reply.
    pub lang: Lang,
    /// What now stands in the conversation.
    pub standing: StandingEmergency,
}

/// An emergency that stays with the conversation until the diver says it is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingEmergency {
    /// The kind the last reply was about.
    pub kind: EmergencyKind,
    /// How many replies were given about it, from 1; the next sentence depends on it.
    pub replies: u32,
    /// The region whose numbers were given, by its id in the hotlines: said once, it is not asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// The kinds that get words of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmergencyKind {
    /// Decompression illness or gas embolism.
    DecompressionIllness,
    /// Carbon monoxide or bad air.
    CarbonMonoxide,
    /// Chest pain, collapse, a heart attack.
    Cardiac,
    /// Severe bleeding.
    Bleeding,
    /// Stings, bites, anaphylaxis.
    Envenomation,
    /// Near-drowning, blackout, immersion pulmonary oedema.
    Drowning,
    /// A diver is missing, or someone drifts at the surface.
    MissingDiver,
    /// Unconscious or without breath, whatever the cause.
    Unresponsive,
    /// An ear that bleeds, discharges or hurts badly, with nothing that speaks for more.
    EarBarotrauma,
    /// Poisoned by fish or shellfish.
    SeafoodPoisoning,
    /// Acutely ill in or after water, without a dive with compressed gas.
    Illness,
    /// Thoughts of suicide.
    Suicide,
    /// An emergency whose kind the words don't tell, or a kind that a newer program wrote.
    #[serde(other)]
    Unspecified,
}

impl Alarm {
    /// The words as a reply.
    pub fn reply(&self) -> Reply {
        let mut reply = Reply::fixed(self.text.clone(), AgentId::new("safety"), self.lang);
        reply.safety = Safety::Emergency;
        self.standing.kind.as_str().clone_into(&mut reply.intent);
        reply
    }
}

impl EmergencyKind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::DecompressionIllness,
        Self::CarbonMonoxide,
        Self::Cardiac,
        Self::Bleeding,
        Self::Envenomation,
        Self::Drowning,
        Self::MissingDiver,
        Self::Unresponsive,
        Self::EarBarotrauma,
        Self::SeafoodPoisoning,
        Self::Illness,
        Self::Suicide,
        Self::Unspecified,
    ];

    /// The name used in content files, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DecompressionIllness => "decompression_illness",
            Self::CarbonMonoxide => "carbon_monoxide",
            Self::Cardiac => "cardiac",
            Self::Bleeding => "bleeding",
            Self::Envenomation => "envenomation",
            Self::Drowning => "drowning",
            Self::MissingDiver => "missing_diver",
            Self::Unresponsive => "unresponsive",
            Self::EarBarotrauma => "ear_barotrauma",
            Self::SeafoodPoisoning => "seafood_poisoning",
            Self::Illness => "illness",
            Self::Suicide => "suicide",
            Self::Unspecified => "unspecified",
        }
    }
}
