//! A message of a conversation, read for what it names and what it asks.

use std::sync::Arc;

use dovvybuddy_core::Lang;

use super::talk::{Kind, Talk};
use super::{names, profile, query};
use crate::concept::Concept;
use crate::emergency::Reading;
use crate::lexicon::Lexicon;
use crate::message::Message;
use crate::pattern::Hit;
use crate::text;

/// What a fragment may have besides the thing it names.
const BESIDES: usize = 3;
/// Scripts without spaces have about so many units to a word.
const UNITS: usize = 3;
/// A courtesy of more words says something besides.
const LONGEST_COURTESY: usize = 10;

/// Things that take one another's place: a new place ends the old one and not the animal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Where,
    Animal,
    Course,
    Agency,
    Person,
    Month,
    /// Somebody by name.
    Name,
    Thing,
}

/// Something that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) group: Group,
    pub(super) concept: Concept,
    /// In the words of the documents.
    pub(super) words: String,
    /// The name by which documents are told apart, of places and animals.
    pub(super) name: Option<String>,
    /// Where in the message it stands.
    pub(super) units: (usize, usize),
}

/// A message, read for what it names.
pub(super) struct Said<'a> {
    pub(super) raw: &'a str,
    pub(super) message: Arc<Message>,
    pub(super) reading: Reading,
    pub(super) mentions: Vec<Mention>,
    /// The diver tells of a level of their own.
    pub(super) holds: bool,
}

impl<'a> Said<'a> {
    pub(super) fn read(raw: &'a str, lang: Lang) -> Self {
        let message = Message::read(raw);
        let reading = message.reading(lang);
        let holds = profile::learned(&reading, raw, None).cert_level.is_some();
        let mut said = Self { raw, message, reading, mentions: Vec::new(), holds };
        said.mentions = said.mentioned();
        said
    }

    /// How it hangs on what was said before.
    pub(super) fn talk(&self) -> &Talk {
        self.message.talk(self.reading.lang())
    }

    pub(super) fn has(&self, group: Group) -> bool {
        self.mentions.iter().any(|mention| mention.group == group)
    }

    /// Whether it names a thing of its own; a month or a child is asked of something.
    pub(super) fn names_something(&self) -> bool {
        let whole = |mention: &Mention| !matches!(mention.concept, Concept::Course | Concept::CardAdmin);
        self.mentions.iter().any(|mention| !matches!(mention.group, Group::Month | Group::Person) && whole(mention))
    }

    /// Whether it is about something outside diving; what a boat has is none of that.
    pub(super) fn is_outside(&self) -> bool {
        // A wife who does not dive belongs to the trip.
        let of_divers = self.reading.has(Concept::Dive);
        let outside = |concept: &Concept| self.reading.has(*concept) && !(of_divers && *concept == Concept::Life);
        OUTSIDE.iter().any(outside) && !self.reading.has(Concept::Operator)
    }

    /// Whether the answer depends on the time of year.
    pub(super) fn is_of_a_season(&self) -> bool {
        self.reading.any(&[Concept::Conditions, Concept::Sight, Concept::Species, Concept::Better, Concept::Gear])
            || self.talk().has(Kind::Suits)
    }

    /// Whether it asks what somebody may do, and nothing of a place.
    pub(super) fn asks_of_limits(&self) -> bool {
        self.reading.any(&[Concept::HowDeep, Concept::Allowed, Concept::AgeLimit, Concept::Prereq])
            && !self.reading.any(&[Concept::Sight, Concept::Conditions, Concept::Season, Concept::Month])
    }

    /// Its length in words.
    pub(super) fn words(&self) -> usize {
        let units = self.reading.len();
        if text::unspaced(self.reading.lang()) { units.div_ceil(UNITS) } else { units }
    }

    /// Whether it points back by a word of this kind. What stands behind a thing of the message's own points at that.
    pub(super) fn points(&self, kind: Kind) -> bool {
        let own = |at: usize| {
            self.mentions.iter().any(|mention| {
                let fits = match kind {
                    Kind::He => matches!(mention.group, Group::Person | Group::Name),
                    Kind::There => mention.group == Group::Where,
                    _ if mention.group == Group::Course => !self.holds && !self.is_a_diver(mention),
                    // Nobody is drunk "on it" by what was drunk.
                    _ => !matches!(mention.group, Group::Month | Group::Person) && mention.concept != Concept::Intox,
                };
                fits && mention.units.0 <= at
            })
        };
        self.talk().starts(kind).any(|at| !own(at))
    }

    /// Whether a level stands for somebody who has it: "can an open water diver dive it".
    fn is_a_diver(&self, mention: &Mention) -> bool {
        let around = self.message.text.units.get(mention.units.0..=mention.units.1);
        let around = around.or_else(|| self.message.text.units.get(mention.units.0..mention.units.1));
        self.reading.lang() == Lang::En
            && around.unwrap_or_default().iter().any(|unit| matches!(unit.as_str(), "diver" | "divers"))
    }

    /// Whether it has few words besides what it names.
    pub(super) fn is_fragment(&self) -> bool {
        let named: usize = self.mentions.iter().map(|mention| mention.units.1 - mention.units.0).sum();
        let besides = self.reading.len().saturating_sub(named);
        besides <= if text::unspaced(self.reading.lang()) { BESIDES * UNITS } else { BESIDES }
    }

    /// A greeting, thanks or a nod.
    pub(super) fn is_courtesy(&self) -> bool {
        self.talk().is_only(&[Kind::Nod, Kind::Yes])
            || self.reading.any(&[Concept::Greeting, Concept::Thanks])
                && self.mentions.is_empty()
                && !self.reading.question()
                && self.words() <= LONGEST_COURTESY
    }

    /// Whether it says by itself what is asked of the things it names.
    pub(super) fn asks(&self) -> bool {
        self.reading.hits().iter().any(|hit| ASPECTS.contains(&hit.concept) && !self.is_mentioned(hit))
    }

    /// Whether it only tells of the diver.
    pub(super) fn tells_of_the_diver(&self) -> bool {
        let dives = || profile::learned(&self.reading, self.raw, None).dives.is_some();
        !self.reading.question() && (self.holds || dives())
    }

    /// The message as the subject of what follows. Of a worry only what it is about: who is nervous about the first
    /// dive and asks whether the water is cold is not asking about nerves again.
    pub(super) fn standing(&self) -> String {
        if !self.reading.has(Concept::Worry) {
            return self.raw.trim().to_owned();
        }
        let mut dives = self.reading.hits().iter().filter(|hit| hit.concept == Concept::PostDive);
        dives.find_map(|hit| self.in_english(hit)).unwrap_or_default()
    }

    /// What is asked, in words of the search.
    pub(super) fn aspect(&self) -> String {
        let hits: Vec<&Hit<Concept>> = self.reading.hits().iter().collect();
        let asked = |hit: &&&Hit<Concept>| {
            ASPECTS.contains(&hit.concept)
                && !matches!(hit.concept, Concept::Allowed | Concept::Hypo | Concept::HowWork)
                && !self.is_mentioned(hit)
                && !hits.iter().any(|other| ASPECTS.contains(&other.concept) && hit.is_inside(other))
                // Who has a child's age in it names the child, and "when a lionfish stings" asks for no time.
                && (hit.concept != Concept::AgeLimit || !self.has(Group::Person))
                && (hit.concept != Concept::When || self.reading.lang() != Lang::En || hit.start <= LATEST_WHEN)
        };
        let mut words: Vec<String> = Vec::new();
        for hit in hits.iter().filter(asked) {
            let plain = query::plainly(hit.concept).filter(|_| self.reading.lang() == Lang::En).map(str::to_owned);
            for word in self.in_english(hit).into_iter().chain(plain) {
                if !words.contains(&word) {
                    words.push(word);
                }
            }
        }
        words.join(" ")
    }

    pub(super) fn is_mentioned(&self, hit: &Hit<Concept>) -> bool {
        self.mentions.iter().any(|mention| mention.units.0 < hit.end && hit.start < mention.units.1)
    }

    /// The words for a hit in the documents' language.
    pub(super) fn in_english(&self, hit: &Hit<Concept>) -> Option<String> {
        let said = || self.message.text.units.get(hit.start..hit.end).map(|units| units.join(" "));
        let glossed = Lexicon::of(self.reading.lang()).gloss(hit).map(query::written_out).map(str::to_owned);
        if self.reading.lang() == Lang::En {
            return glossed.or_else(said);
        }
        let general = || query::general_term(hit.concept).map(str::to_owned);
        glossed.or_else(general).or_else(|| said().filter(|word| word.is_ascii()))
    }

    /// What it names, longest wording first where they overlap.
    pub(super) fn mentioned(&self) -> Vec<Mention> {
        let hits = self.reading.hits();
        let lexicon = Lexicon::of(self.reading.lang());
        // The diver's own level is no subject beside another, or where nothing is asked.
        let other = |hit: &Hit<Concept>| {
            hit.concept != Concept::Month
                && group_of(hit.concept).is_some_and(|group| !matches!(group, Group::Course | Group::Agency))
        };
        let told = self.holds && (!self.reading.question() || hits.iter().any(other));
        let overlaps = |hit: &Hit<Concept>, concept| {
            hits.iter().any(|other| other.concept == concept && other.start < hit.end && hit.start < other.end)
        };
        let group = |hit: &Hit<Concept>| match group_of(hit.concept)? {
            Group::Course | Group::Agency if told && hit.concept != Concept::Course => None,
            Group::Course if hit.concept == Concept::Course && overlaps(hit, Concept::Owned) => None,
            // "Is it for a beginner" asks who it is for.
            Group::Course
                if lexicon.gloss(hit).is_none() && self.talk().starts(Kind::Suits).any(|at| at <= hit.start) =>
            {
                None
            }
            Group::Thing if hit.concept == Concept::Drill && overlaps(hit, Concept::Worry) => None,
            Group::Thing if hit.concept == Concept::Drill => self.names_a_failure(hit).then_some(Group::Thing),
            Group::Where if hit.concept == Concept::DiveSite => self.names_a_site(hit).then_some(Group::Where),
            group => Some(group),
        };
        let known: Vec<(Group, &Hit<Concept>)> = hits.iter().filter_map(|hit| Some((group(hit)?, hit))).collect();
        let mut mentions: Vec<Mention> = Vec::new();
        for (group, hit) in &known {
            let inside = known.iter().any(|(_, other)| hit.is_inside(other));
            let glossed = lexicon.gloss(hit).is_some();
            let better = known.iter().any(|(_, other)| {
                (other.start, other.end) == (hit.start, hit.end) && lexicon.gloss(other).is_some() && !glossed
            });
            let Some(words) = self.in_english(hit).filter(|_| !inside && !better) else { continue };
            let plain = query::plainly(hit.concept).filter(|_| self.reading.lang() == Lang::En);
            let words = plain.map_or(words, str::to_owned);
            let words = if hit.concept == Concept::Gas { self.with_numbers(words, hit) } else { words };
            let told = |known: &Mention| known.words == words || known.units.0 < hit.end && hit.start < known.units.1;
            if mentions.iter().any(told) {
                continue;
            }
            let name = matches!(group, Group::Where | Group::Animal).then(|| words.clone());
            let name = name.filter(|name| name.is_ascii() && !names::is_wide(name));
            mentions.push(Mention { group: *group, concept: hit.concept, words, name, units: (hit.start, hit.end) });
        }
        mentions.extend(self.pastime().filter(|found| !mentions.iter().any(|known| known.group == found.group)));
        mentions.extend(self.child());
        mentions.extend(self.somebody());
        mentions
    }

    /// Words for a hit with the numbers that stand in it: a mix is known by them.
    fn with_numbers(&self, mut words: String, hit: &Hit<Concept>) -> String {
        for unit in self.message.text.units.get(hit.start..hit.end).unwrap_or_default() {
            if unit.contains(|c: char| c.is_ascii_digit()) && !words.contains(unit.as_str()) {
                words.push(' ');
                words.push_str(unit);
            }
        }
        words
    }

    /// Whether a dive site is named, and not only spoken of as "reef" or "wreck".
    pub(super) fn names_a_site(&self, hit: &Hit<Concept>) -> bool {
        let units = self.message.text.units.get(hit.start..hit.end).unwrap_or_default();
        if units.iter().all(|unit| SITE_WORDS.split_whitespace().any(|word| word == unit)) {
            return false;
        }
        // Other languages have words of their own for a reef; names are the same in all.
        let known = |reading: Reading| reading.has(Concept::DiveSite);
        self.reading.lang() == Lang::En || known(Message::read(&units.join(" ")).reading(Lang::En))
    }

    /// Whether what goes wrong is named, and not only asked what to do if.
    pub(super) fn names_a_failure(&self, hit: &Hit<Concept>) -> bool {
        let first = self.message.text.units.get(hit.start).map_or("", String::as_str);
        match self.reading.lang() {
            Lang::En => !matches!(first, "what" | "if" | "how" | "to" | "in" | "procedure" | "buddy" | "missing"),
            lang => Lexicon::of(lang).gloss(hit).is_some(),
        }
    }

    /// Somebody who is named: two words or more with capitals that mean nothing else.
    pub(super) fn somebody(&self) -> Option<Mention> {
        // German writes every noun so.
        if self.reading.lang() == Lang::De {
            return None;
        }
        let words: Vec<&str> = self.raw.split_whitespace().collect();
        let capital = |at: usize| {
            let bare = words.get(at).map_or("", |word| word.trim_matches(|c: char| !c.is_alphanumeric()));
            let mut letters = bare.chars();
            let known = self.reading.hits().iter().any(|hit| (hit.start..hit.end).contains(&at));
            !known && letters.next().is_some_and(char::is_uppercase) && letters.next().is_some_and(char::is_lowercase)
        };
        let start = (1..words.len()).find(|at| capital(*at) && capital(at + 1))?;
        let end = (start..words.len()).find(|at| !capital(*at)).unwrap_or(words.len());
        let bare = |word: &&str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
        let name = words.get(start..end)?.iter().map(bare).collect::<Vec<_>>().join(" ");
        let units = (start, end);
        Some(Mention { group: Group::Name, concept: Concept::History, words: name, name: None, units })
    }

    /// A child of the diver's, with its age.
    pub(super) fn child(&self) -> Option<Mention> {
        let (start, end) = self.talk().first(Kind::Child)?;
        let age = |unit: &&String| unit.parse::<u32>().is_ok_and(|age| CHILDHOOD.contains(&age));
        let ages: Vec<&str> = self.message.text.units.iter().filter(age).map(String::as_str).collect();
        let words = if ages.is_empty() { "child".to_owned() } else { format!("child {} years", ages.join(" ")) };
        let units = (start, end);
        Some(Mention { group: Group::Person, concept: Concept::AgeLimit, words, name: None, units })
    }
}

/// "And when" asks for a time; further in it mostly tells of one.
const LATEST_WHEN: usize = 2;

/// Words for kinds of dive sites.
const SITE_WORDS: &str = "
    a the of dive dives diving diver divesite divesites site sites spot spots reef reefs wreck wrecks shipwreck shipwrecks
    ship ww2 plane wall walls pinnacle pinnacles cave caves cavern caverns cenote cenotes muck house shore drift night macro
    coral garden gardens seamount seamounts swim through throughs swimthrough swimthroughs drop off offs dropoff lagoon
    atoll channel bay quarry lake river kelp forest ice altitude black water blackwater fluo bonfire deep shallow
    penetration tech jetty pier sunken sunk statue statues underwater museum artificial cleaning station barrier entry
    point map bommie thila kandu
";

/// The ages of which junior rules speak.
const CHILDHOOD: std::ops::RangeInclusive<u32> = 5..=17;

/// Which things take one another's place.
const fn group_of(concept: Concept) -> Option<Group> {
    Some(match concept {
        Concept::Place | Concept::DiveSite => Group::Where,
        Concept::Species => Group::Animal,
        Concept::Level | Concept::Course => Group::Course,
        Concept::Agency => Group::Agency,
        Concept::Month => Group::Month,
        Concept::Medical
        | Concept::Medicine
        | Concept::NoFly
        | Concept::Ears
        | Concept::GasHazard
        | Concept::Gas
        | Concept::Deco
        | Concept::Drill
        | Concept::Dci
        | Concept::Intox
        | Concept::Gear
        | Concept::Physics
        | Concept::Refresher
        | Concept::CardAdmin
        | Concept::Liveaboard
        | Concept::FirstAid => Group::Thing,
        _ => return None,
    })
}

/// What can be asked of a thing.
const ASPECTS: &[Concept] = &[
    Concept::HowDeep,
    Concept::HowLong,
    Concept::When,
    Concept::Where,
    Concept::Season,
    Concept::Price,
    Concept::Prereq,
    Concept::AgeLimit,
    Concept::CourseSkill,
    Concept::Safety,
    Concept::Biology,
    Concept::Conditions,
    Concept::Sight,
    Concept::Travel,
    Concept::Allowed,
    Concept::Hypo,
    Concept::Rent,
    Concept::History,
    Concept::Fitness,
    Concept::GearCare,
    Concept::HowWork,
    Concept::Worry,
];

/// What is asked of places and animals.
pub(super) const OF_PLACES: &[Concept] = &[
    Concept::When,
    Concept::Where,
    Concept::Season,
    Concept::Month,
    Concept::HowDeep,
    Concept::Conditions,
    Concept::Sight,
    Concept::Travel,
    Concept::Trip,
    Concept::Biology,
];

/// Subjects that end any conversation about diving.
const OUTSIDE: &[Concept] = &[
    Concept::Jailbreak,
    Concept::Food,
    Concept::Money,
    Concept::Tech,
    Concept::Writing,
    Concept::Media,
    Concept::Sport,
    Concept::OtherDive,
    Concept::Aquarium,
    Concept::Life,
];
