//! What a conversation is about, and what a message takes over from it.
//!
//! Each message names things (a place, an animal, a course, a gas) and asks something of them. A message that points
//! back ("how deep is it?"), goes on ("and for SSI?") or names nothing of its own ("which month?") is about what was
//! named last; one that names its own ends that. What is taken over is put into words that the search understands,
//! so that the message reads as it would have been asked first.

use dovvybuddy_core::Lang;

use super::said::{Group, Mention, OF_PLACES, Said};
use super::talk::Kind;
use crate::concept::Concept;
use crate::message::Message;

/// The diver's last messages that are looked at.
const REMEMBERED: usize = 12;
/// "And what do you do" is about a wound; in more words something else is to be done.
const SHORTEST_WISH: usize = 6;
/// A message of more words names what it is about.
const LONGEST_ELLIPSIS: usize = 10;

/// How a message hangs on the conversation.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Lean {
    /// It stands by itself.
    #[default]
    None,
    /// It points at the place alone.
    There,
    /// It points back.
    Points,
    /// It asks the same of something else, or more of the same.
    GoesOn,
    /// It names nothing.
    Ellipsis,
    /// It names something that is different in every place.
    Setting,
    /// It asks nothing and tells more of what was asked before.
    Tells,
}

/// What the conversation is about.
#[derive(Debug, Default)]
pub(super) struct Subject {
    mentions: Vec<Mention>,
    /// What was asked last, in words of the search.
    aspect: String,
    /// That is something that can be asked of any such thing.
    asked: bool,
    /// The last message that stood by itself, where it named nothing.
    text: Option<String>,
    /// The last message.
    last: String,
}

/// What a message takes over.
#[derive(Debug, Default, Clone)]
pub(crate) struct TakenOver {
    /// Whether the message's own words say that it hangs on the conversation.
    pub(super) firmly: bool,
    /// What it is about, in words of the search.
    pub(super) words: String,
    /// The names among it.
    pub(super) names: Vec<String>,
    /// What kinds of things are among it.
    kinds: Vec<(Group, Concept)>,
    /// How the message hangs on the conversation.
    lean: Lean,
}

impl TakenOver {
    /// A level or a child is among it: then the diver's own level is not meant.
    pub(super) fn of_another(&self) -> bool {
        self.kinds.iter().any(|(group, _)| matches!(group, Group::Course | Group::Person))
    }

    /// A place, an animal or a thing is among it.
    pub(super) fn of_a_thing(&self) -> bool {
        self.kinds.iter().any(|(group, _)| matches!(group, Group::Thing | Group::Where | Group::Animal))
    }

    /// It goes on about gear, wherever that is used.
    pub(super) fn of_gear(&self) -> bool {
        self.lean != Lean::Points && self.kinds.iter().any(|(_, concept)| *concept == Concept::Gear)
    }

    /// The message only tells more of what was asked before.
    pub(super) fn told(&self) -> bool {
        self.lean == Lean::Tells
    }
}

impl Subject {
    /// The subject after what the diver said, oldest first.
    pub(super) fn of(earlier: &[&str], hint: Option<Lang>) -> Self {
        let mut subject = Self::default();
        let from = earlier.len().saturating_sub(REMEMBERED);
        for raw in earlier.iter().skip(from) {
            let message = Message::read(raw);
            let lang = message.signs.detect(hint).lang;
            let said = Said::read(raw, lang);
            let lean = subject.lean(&said);
            subject.take(said, lean);
        }
        subject
    }

    /// What a message takes over of it.
    pub(super) fn taken_over(&self, raw: &str, lang: Lang) -> TakenOver {
        let said = Said::read(raw, lang);
        let lean = self.lean(&said);
        if lean == Lean::None {
            return TakenOver::default();
        }
        let carried: Vec<&Mention> = self.carried(&said, lean).collect();
        let mut words: Vec<&str> = carried.iter().map(|mention| mention.words.as_str()).collect();
        let price = said.reading.has(Concept::Price);
        let text_too = said.mentions.is_empty() || lean == Lean::Tells && !self.is_another_matter(&said);
        if carried.is_empty() && text_too && !price {
            words.extend(self.text.as_deref());
        }
        let of_places = carried.iter().any(|mention| matches!(mention.group, Group::Where | Group::Animal));
        match lean {
            Lean::Tells if said.tells_of_the_diver() && of_places => words.push(LEVEL_OF_A_PLACE),
            Lean::Tells if self.is_another_matter(&said) => {}
            Lean::Tells => words.push(&self.aspect),
            _ if said.asks() || said.is_known_to_the_search() || of_places && said.is_of_the_water() => {}
            Lean::GoesOn => words.push(&self.aspect),
            Lean::Ellipsis if self.text.as_deref() != Some(&self.last) => words.push(&self.last),
            _ => {}
        }
        let hurts = |mention: &&&Mention| {
            let of_an_animal = mention.group == Group::Animal && said.words() <= SHORTEST_WISH;
            of_an_animal || is_of_the_body(mention.concept)
        };
        if said.asks_what_to_do() && carried.iter().any(|mention| hurts(&mention)) {
            words.push("first aid treatment");
        }
        // Without a word of place or time "is it possible" may as well be asked of a course.
        let firm = lean != Lean::Ellipsis || said.reading.any(OF_PLACES);
        // What is near a place, or another than it, is told elsewhere.
        let firm = firm && !said.looks_around();
        let named = carried.iter().filter(|_| firm).filter_map(|mention| mention.name.clone());
        let of_it = match lean {
            Lean::Points | Lean::There => true,
            Lean::GoesOn | Lean::Tells => said.words() <= LONGEST_ELLIPSIS,
            _ => false,
        };
        TakenOver {
            firmly: of_it && !said.is_outside(),
            words: words.join(" ").trim().to_owned(),
            names: named.collect(),
            kinds: carried.iter().map(|mention| (mention.group, mention.concept)).collect(),
            lean,
        }
    }

    /// Whether the conversation is about something that can be meant.
    fn is_known(&self) -> bool {
        !self.mentions.is_empty() || self.text.is_some()
    }

    fn has(&self, group: Group) -> bool {
        self.mentions.iter().any(|mention| mention.group == group)
    }

    fn lean(&self, said: &Said<'_>) -> Lean {
        // Opening hours are the operator's, whatever was spoken of.
        let about_nothing_said = said.reading.any(&[Concept::Jailbreak, Concept::Hours]);
        if !self.is_known() || said.is_courtesy() || about_nothing_said {
            return Lean::None;
        }
        let named = said.names_something();
        if said.points(Kind::There) && self.has(Group::Where) && !self.has(Group::Animal) {
            return Lean::There;
        }
        if [Kind::It, Kind::Them, Kind::He].into_iter().any(|kind| said.points(kind)) {
            return Lean::Points;
        }
        if said.points(Kind::There) && (self.has(Group::Where) || !named) {
            return if self.has(Group::Where) { Lean::There } else { Lean::Points };
        }
        if said.is_outside() {
            return Lean::None;
        }
        if said.tells() {
            return Lean::Tells;
        }
        let alike = said.mentions.iter().any(|mention| self.has(mention.group) && mention.group != Group::Month)
            || said.has(Group::Where) && self.has(Group::Animal);
        if self.is_asked_of_the_body(said) {
            return Lean::Setting;
        }
        match named {
            true if !said.asks() && (said.talk().goes_on() || said.is_fragment() && alike) => Lean::GoesOn,
            true if said.is_fragment() && said.has(Group::Where) && self.has(Group::Animal) => Lean::GoesOn,
            true if self.is_setting_for(said) => Lean::Setting,
            true => Lean::None,
            false if said.talk().goes_on() => Lean::GoesOn,
            false if said.talk().has(Kind::Whole) || said.words() > LONGEST_ELLIPSIS => Lean::None,
            false => Lean::Ellipsis,
        }
    }

    /// Whether an illness is told of while something else was spoken of.
    fn is_another_matter(&self, said: &Said<'_>) -> bool {
        let told = |mentions: &[Mention]| mentions.iter().any(|mention| is_of_the_body(mention.concept));
        told(&said.mentions) && !told(&self.mentions)
    }

    /// Whether what is asked has another answer in every state of health, and one is spoken of.
    fn is_asked_of_the_body(&self, said: &Said<'_>) -> bool {
        let told = |mentions: &[Mention]| mentions.iter().any(|mention| is_of_the_body(mention.concept));
        let elsewhere = [Group::Where, Group::Animal, Group::Agency].into_iter().any(|group| said.has(group));
        let allowed = said.reading.has(Concept::Allowed) && !said.reading.has(Concept::NoFly) && !elsewhere;
        let flying = said.reading.has(Concept::NoFly) && said.talk().has(Kind::It);
        told(&self.mentions)
            && !told(&said.mentions)
            && said.names_something()
            && (said.reading.has(Concept::Medicine) || allowed || flying)
    }

    /// Whether what is asked has another answer in every place, and a place is spoken of.
    fn is_setting_for(&self, said: &Said<'_>) -> bool {
        if !self.has(Group::Where) {
            return false;
        }
        if said.has(Group::Where) {
            let shared = |mention: &Mention| SHARED_NAMES.contains(&mention.words.as_str());
            return said.mentions.iter().filter(|m| m.group == Group::Where).all(shared);
        }
        if said.reading.any(&[Concept::Medical, Concept::Medicine]) {
            return false;
        }
        let worn = said.mentions.iter().any(|m| m.concept == Concept::Gear && m.words.contains("suit"));
        let met = said.has(Group::Animal) && !said.reading.any(&[Concept::Biology, Concept::HowWork]);
        worn || met && said.words() <= LONGEST_ELLIPSIS || said.reading.any(&[Concept::Conditions])
    }

    /// What a message takes over, given how it hangs on the conversation.
    fn carried<'s>(&'s self, said: &'s Said<'_>, lean: Lean) -> impl Iterator<Item = &'s Mention> {
        // "Can I do it together with my open water course": of two things one is meant by "it".
        let alone = self.mentions.iter().all(|mention| said.has(mention.group));
        let ambiguous = said.mentions.iter().any(|mention| SHARED_NAMES.contains(&mention.words.as_str()));
        let animal = said.points(Kind::Them) && self.has(Group::Animal);
        let other = [Group::Course, Group::Thing, Group::Where].into_iter().any(|group| self.has(group));
        let ill = said.reading.any(&[Concept::Medical, Concept::Medicine, Concept::Fitness]);
        let course = said.has(Group::Course) && self.has(Group::Course);
        // What a child may do is the same everywhere.
        let of_a_child = said.points(Kind::He) && self.has(Group::Person) && said.asks_of_limits();
        // Of two agencies that were compared neither is meant by itself.
        let compared = self.mentions.iter().filter(|mention| mention.group == Group::Agency).count() > 1
            && !said.reading.any(&[Concept::Better, Concept::Equivalence, Concept::CardAdmin]);
        let another_matter = self.is_another_matter(said);
        let in_a_place =
            self.mentions.iter().any(|mention| mention.concept == Concept::Place) && !said.has(Group::Where);
        let of_the_water = said.is_of_the_water();
        self.mentions.iter().filter(move |known| {
            let mention = *known;
            let replaced = said.has(mention.group);
            match (lean, mention.group) {
                (Lean::Tells, _) if another_matter => false,
                (_, Group::Where) if said.looks_elsewhere() => false,
                // What is told of does not end what is asked; and who asks the same of another thing means both.
                (Lean::Tells, Group::Thing) => !said.mentions.iter().any(|mention| mention.words == known.words),
                (Lean::GoesOn, Group::Thing) if replaced && !self.asked && !said.asks() => true,
                (Lean::GoesOn, Group::Person) if said.has(Group::Animal) => false,
                // The water is the place's, and its documents tell of it.
                (_, Group::Where) if of_the_water && in_a_place && mention.concept == Concept::DiveSite => false,
                (_, Group::Course) if of_the_water && self.has(Group::Where) => false,
                (_, Group::Month) => !replaced && said.is_of_a_season(),
                (Lean::There, group) => group == Group::Where && !replaced,
                (Lean::Setting, Group::Where) => !replaced || ambiguous,
                (Lean::Setting, _) => is_of_the_body(mention.concept),
                (_, Group::Where | Group::Animal) if ill => false,
                (Lean::Points, Group::Where) if of_a_child => false,
                (Lean::Ellipsis, Group::Agency) if compared => false,
                (Lean::Points, Group::Thing | Group::Course) if animal => false,
                // Of a course and an animal the course is "it".
                (Lean::Points, Group::Animal) if !animal && other => !replaced && !said.points(Kind::It),
                // "Can I do it after Open Water": what stands behind it is not it.
                (Lean::Points, Group::Course) if said.points(Kind::It) => true,
                (Lean::Points, _) => !replaced || alone,
                // What a course is like does not depend on what else was spoken of.
                (Lean::Ellipsis, Group::Where | Group::Animal | Group::Thing) if course => false,
                _ => !replaced,
            }
        })
    }

    fn take(&mut self, said: Said<'_>, lean: Lean) {
        if said.is_courtesy() {
            return;
        }
        if lean != Lean::Tells {
            said.raw.trim().clone_into(&mut self.last);
            let asked = said.aspect();
            let whole = || Some(said.besides()).filter(|_| lean == Lean::None);
            if let Some(asked) = Some(asked).filter(|asked| !asked.is_empty()).or_else(whole) {
                self.asked = !said.aspect().is_empty();
                self.aspect = asked;
            }
        }
        let place_too = |mention: &Mention| !matches!(mention.group, Group::Thing);
        match lean {
            Lean::None if said.mentions.is_empty() && said.tells_of_the_diver() => {}
            Lean::None => {
                self.text = Some(said.standing()).filter(|text| said.mentions.is_empty() && !text.is_empty());
                self.mentions = said.mentions;
            }
            Lean::Ellipsis => {
                let further = said.mentions.into_iter().filter(|mention| mention.group != Group::Thing);
                let further: Vec<Mention> = further.filter(|mention| !self.has(mention.group)).collect();
                self.mentions.extend(further);
            }
            Lean::Setting | Lean::There => {
                let further: Vec<Mention> = said.mentions.into_iter().filter(place_too).collect();
                // A site lies in the place that is spoken of.
                let of_site = |mention: &Mention| mention.group != Group::Where || mention.concept == Concept::DiveSite;
                let places: Vec<Mention> =
                    self.mentions.iter().filter(|old| old.concept == Concept::Place).cloned().collect();
                let inside = further.iter().all(of_site) && further.iter().any(|new| new.group == Group::Where);
                self.replace(further);
                self.mentions.extend(places.into_iter().filter(|_| inside));
            }
            Lean::Points if self.has(Group::Thing) || self.has(Group::Course) => {
                let further: Vec<Mention> = said.mentions.into_iter().filter(place_too).collect();
                self.replace(further);
            }
            Lean::Tells => {
                let known = |new: &Mention| self.mentions.iter().any(|old| old.words == new.words);
                let further = said.mentions.into_iter().filter(|new| !known(new));
                let (things, others): (Vec<Mention>, Vec<Mention>) =
                    further.partition(|new| new.group == Group::Thing && !is_of_the_body(new.concept));
                self.replace(others);
                self.mentions.extend(things);
            }
            Lean::Points | Lean::GoesOn => self.replace(said.mentions),
        }
    }

    fn replace(&mut self, newer: Vec<Mention>) {
        self.mentions.retain(|old| !newer.iter().any(|new| new.group == old.group));
        self.mentions.extend(newer);
    }
}

/// What somebody wants to know who tells a level or a number of dives while a place is spoken of.
const LEVEL_OF_A_PLACE: &str = "level experience logged dives";

/// What a diver has until it is over, whatever else is asked meanwhile.
const fn is_of_the_body(concept: Concept) -> bool {
    matches!(concept, Concept::Medical | Concept::Ears | Concept::Dci)
}

/// Names of several sites, told apart by the place that is spoken of.
const SHARED_NAMES: &[&str] =
    &["blue hole", "canyon", "the canyon", "shark point", "manta point", "coral garden", "coral gardens", "cathedral"];

#[cfg(test)]
#[path = "subject_tests.rs"]
mod tests;
