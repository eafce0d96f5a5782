//! What the rules look for: named concepts, the same in every language.

use crate::by_language::keyed;

keyed! {
    /// Something a message may speak of. The lexicon files say by which words, per language. Their order is that of the
    /// model's features.
    #[derive(Hash, PartialOrd, Ord)]
    pub(crate) enum Concept {
        // Signs that are an emergency by themselves.
        /// Unconscious, unresponsive, collapsed.
        Collapse = "collapse",
        /// Not breathing, fighting for air.
        NoBreath = "no_breath",
        /// A seizure.
        Seizure = "seizure",
        /// Limbs that can't be moved or felt.
        Paralysis = "paralysis",
        /// Blood or froth from the mouth or lungs.
        BloodCough = "blood_cough",
        /// Inhaled water, pulled from the water, blackout.
        Drown = "drown",
        /// Bleeding that matters: heavy, propeller, shark.
        Bleed = "bleed",
        /// Pain or pressure in the chest, a heart attack.
        Cardiac = "cardiac",
        /// Not found, did not surface.
        Missing = "missing",
        /// Drifting at the surface, left behind.
        Drift = "drift",
        /// Poisonous fish eaten, or the signs that only that gives.
        Poison = "poison",
        /// Wanting to die.
        Suicide = "suicide",
        /// A cry for help.
        Cry = "cry",
        // Signs that count after a dive.
        /// Numbness, tingling, weakness, speech, gait, bladder.
        Neuro = "neuro",
        /// Confusion, odd behaviour, memory.
        Confusion = "confusion",
        /// Disturbed sight.
        Vision = "vision",
        /// Spinning, loss of hearing, ringing with it.
        InnerEar = "inner_ear",
        /// Pain in joints or limbs.
        Joint = "joint",
        /// Mottled or blotchy skin.
        Skin = "skin",
        /// Short of breath, tight chest, cough.
        Breathing = "breathing",
        /// Dizzy, faint.
        Dizzy = "dizzy",
        /// Tired beyond the usual.
        Fatigue = "fatigue",
        /// Headache.
        Headache = "headache",
        /// Nausea, vomiting.
        Nausea = "nausea",
        /// Feeling odd, something wrong.
        Unwell = "unwell",
        /// Pain in belly, back or elsewhere, strong.
        Pain = "pain",
        /// Blocked ear, squeeze.
        EarMild = "ear_mild",
        /// Swollen face, tongue, throat; hives all over.
        Swelling = "swelling",
        /// Dangerously venomous animals.
        Venomous = "venomous",
        /// Stung or bitten.
        Sting = "sting",
        /// Air that smells or tastes foul, exhaust fumes.
        FoulAir = "foul_air",
        /// Came up too fast, skipped stops.
        FastAscent = "fast_ascent",
        /// Decompression sickness by name.
        Dci = "dci",
        // What tells the kind of an emergency that other words made out.
        /// No breath or no pulse at all, not merely short of breath.
        Apnoea = "apnoea",
        /// An ear that bleeds, discharges or tore.
        EarInjury = "ear_injury",
        /// Fish or shellfish was eaten.
        AteFish = "ate_fish",
        /// Jellyfish and what else burns where it was touched.
        Stinger = "stinger",
        /// Snorkelling: in the water without compressed gas.
        Snorkel = "snorkel",
        /// Diving on one breath.
        Freedive = "freedive",
        /// Diving with compressed gas, by words that are of nothing else.
        Scuba = "scuba",
        // Circumstances.
        /// After a dive, since surfacing.
        PostDive = "post_dive",
        /// Diving in any way.
        Dive = "dive",
        /// Now, minutes or hours ago, today.
        Now = "now",
        /// Overnight, this morning, yesterday.
        Overnight = "overnight",
        /// Still there, worse, spreading.
        Persist = "persist",
        /// A definite other person.
        Other = "other",
        /// The speaker.
        Me = "me",
        /// People in general.
        Generic = "generic",
        /// The word not, without.
        Neg = "neg",
        /// The word not where it follows what it negates.
        NegAfter = "neg_after",
        /// But; ends the reach of a negation.
        But = "but",
        /// What if, suppose.
        Hypo = "hypo",
        /// Exams, essays, courses.
        Study = "study",
        /// Definitions, statistics, causes, in general.
        General = "general",
        /// How to avoid.
        Prevent = "prevent",
        /// Long ago.
        Past = "past",
        /// Healed, treated, over.
        Resolved = "resolved",
        /// Films, novels, games, dreams.
        Fiction = "fiction",
        /// Lasting conditions, known before the dive.
        Chronic = "chronic",
        /// Before a dive, planning to dive.
        Before = "before",
        /// Fear of what might happen.
        Fear = "fear",
        /// Cold water, and what is worn against it.
        Cold = "cold",
        /// A part of the body, and what a body does unnoticed: voice, balance, handwriting.
        Body = "body",
        /// Wordings that only look like an emergency; they cover what they contain.
        Mask = "mask",
        /// It is no emergency.
        StandDown = "stand_down",
        /// I feel fine now.
        Fine = "fine",
        /// Something about the diver is to be forgotten; the gloss names what.
        Forget = "forget",
        /// When the last dive was.
        LastDive = "last_dive",
        /// Years, months, weeks; the gloss names the unit.
        TimeSpan = "time_span",
        // Subjects.
        /// Training agencies.
        Agency = "agency",
        /// Courses, certificates, training.
        Course = "course",
        /// Names of levels.
        Level = "level",
        /// How old one must be; children.
        AgeLimit = "age_limit",
        /// What is required.
        Prereq = "prereq",
        /// Conversion between agencies.
        Equivalence = "equivalence",
        /// The card: lost, expired, digital.
        CardAdmin = "card_admin",
        /// Skills and exams of a course.
        CourseSkill = "course_skill",
        /// A long break, a refresher.
        Refresher = "refresher",
        /// Names of places.
        Place = "place",
        /// Names of months.
        Month = "month",
        /// Seasons, best time.
        Season = "season",
        /// Travelling to dive.
        Trip = "trip",
        /// Safari boats.
        Liveaboard = "liveaboard",
        /// Seeing animals.
        Sight = "sight",
        /// Animals.
        Species = "species",
        /// Visibility, temperature, current, weather.
        Conditions = "conditions",
        /// Flights, hotels, visa, transfer.
        Travel = "travel",
        /// Sites, reefs, wrecks, walls.
        DiveSite = "dive_site",
        /// Renting gear.
        Rent = "rent",
        /// Conditions and illnesses.
        Medical = "medical",
        /// Medicines.
        Medicine = "medicine",
        /// Being fit to dive, physicians.
        Fitness = "fitness",
        /// Flying after diving.
        NoFly = "no_fly",
        /// Equalising.
        Ears = "ears",
        /// Gas planning.
        Gas = "gas",
        /// No-stop limits, stops, ascent.
        Deco = "deco",
        /// Narcosis, oxygen, carbon monoxide, as subjects.
        GasHazard = "gas_hazard",
        /// Failures and what to do about them.
        Drill = "drill",
        /// Alcohol, drugs, smoking.
        Intox = "intox",
        /// Fear and worries.
        Worry = "worry",
        /// First aid as a subject.
        FirstAid = "first_aid",
        /// Safety, risk, danger.
        Safety = "safety",
        /// Equipment.
        Gear = "gear",
        /// Buying, servicing, working of equipment.
        GearCare = "gear_care",
        /// Life of animals.
        Biology = "biology",
        /// Laws and bodies under pressure.
        Physics = "physics",
        /// Inventions and records.
        History = "history",
        /// The operator: staff, booking, payment, pick-up.
        Operator = "operator",
        /// How much it costs.
        Price = "price",
        /// Opening hours, address.
        Hours = "hours",
        /// May I, can I.
        Allowed = "allowed",
        /// Which is better.
        Better = "better",
        /// How long it takes.
        HowLong = "how_long",
        /// How it works, what it is.
        HowWork = "how_work",
        /// How deep.
        HowDeep = "how_deep",
        /// When.
        When = "when",
        /// Where.
        Where = "where",
        /// Refers to what was said before.
        FollowUp = "follow_up",
        /// Hello.
        Greeting = "greeting",
        /// Thanks and goodbye.
        Thanks = "thanks",
        /// Who are you, what can you do.
        Bot = "bot",
        /// I am, I have: what the diver holds.
        Owned = "owned",
        /// The word after a number of dives.
        DivesWord = "dives_word",
        /// Where the diver is now.
        HereIn = "here_in",
        /// Feet, psi.
        Imperial = "imperial",
        /// Metres, bar.
        Metric = "metric",
        // Subjects outside diving.
        /// Attempts at the instructions.
        Jailbreak = "jailbreak",
        /// Cooking and eating.
        Food = "food",
        /// Markets and money.
        Money = "money",
        /// Computers and programming.
        Tech = "tech",
        /// Texts to be written, homework.
        Writing = "writing",
        /// Music, films, games.
        Media = "media",
        /// Other sports.
        Sport = "sport",
        /// Diving that is none: platform, sky, figurative.
        OtherDive = "other_dive",
        /// Aquaria and fishing.
        Aquarium = "aquarium",
        /// Other matters of life.
        Life = "life",
    }
}

impl Concept {
    /// An emergency by itself, unless the message speaks in general.
    pub(crate) const fn is_grave(self) -> bool {
        matches!(
            self,
            Self::Collapse
                | Self::NoBreath
                | Self::Seizure
                | Self::Paralysis
                | Self::BloodCough
                | Self::Drown
                | Self::Bleed
                | Self::Cardiac
                | Self::Missing
                | Self::Drift
                | Self::Poison
        )
    }

    /// Suspicious once it follows a dive.
    pub(crate) const fn is_suspect(self) -> bool {
        matches!(
            self,
            Self::Neuro
                | Self::Confusion
                | Self::Vision
                | Self::InnerEar
                | Self::Joint
                | Self::Skin
                | Self::Breathing
                | Self::Swelling
                | Self::Dci
        )
    }

    /// Suspicious only together with others.
    pub(crate) const fn is_mild(self) -> bool {
        matches!(
            self,
            Self::Dizzy | Self::Fatigue | Self::Headache | Self::Nausea | Self::Unwell | Self::Pain | Self::FastAscent
        )
    }

    /// Tells which kind an emergency is, and nothing of whether it is one.
    pub(crate) const fn tells_kind(self) -> bool {
        matches!(
            self,
            Self::Apnoea
                | Self::EarInjury
                | Self::AteFish
                | Self::Stinger
                | Self::Snorkel
                | Self::Freedive
                | Self::Scuba
        )
    }

    /// A bodily sign or danger of any weight: what a negation or a mask can take away.
    pub(crate) const fn is_sign(self) -> bool {
        self.is_grave()
            || self.is_suspect()
            || self.is_mild()
            || matches!(self, Self::Suicide | Self::Cry | Self::Sting | Self::Venomous | Self::FoulAir | Self::EarMild)
    }
}
