//! What a question wants: its subject terms and the kind of fact that answers it.

use std::collections::{HashMap, HashSet};

use crate::text::terms;
use crate::text::units::Unit;

/// The kind of fact that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A depth.
    Depth,
    /// An age.
    Age,
    /// A duration.
    Duration,
    /// How often something is done.
    Frequency,
    /// A temperature.
    Temperature,
    /// A count ("how many dives").
    Count,
    /// A season or date.
    When,
    /// A place.
    Where,
    /// A permission or possibility.
    Allowed,
    /// What is needed.
    Requirement,
    /// A comparison.
    Comparison,
    /// Steps, advice, handling.
    HowTo,
    /// A reason.
    Why,
    /// A definition.
    Definition,
    /// Anything else.
    Open,
}

impl Kind {
    /// Units that a fitting sentence holds.
    pub(crate) const fn units(self) -> &'static [Unit] {
        match self {
            Self::Depth => &[Unit::Metre, Unit::Foot],
            Self::Age => &[Unit::Year],
            Self::Frequency => &[Unit::Day, Unit::Week, Unit::Month, Unit::Year],
            Self::Duration => &[Unit::Minute, Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Year],
            Self::Temperature => &[Unit::Celsius, Unit::Fahrenheit],
            _ => &[],
        }
    }

    /// Words (stems) that a fitting sentence holds.
    pub(crate) const fn cues(self) -> &'static [&'static str] {
        match self {
            Self::Depth => &["depth", "deep", "maximum", "limit"],
            Self::Age => &["age", "old", "minimum", "junior", "younger"],
            Self::Duration => &["take", "last", "durat", "wait", "minimum", "interv"],
            Self::Frequency => &["everi", "annual", "year", "yearli", "once", "twice", "interv"],
            Self::Temperature => &["temperatur", "water", "degre", "warm", "cold"],
            Self::Count => &["least", "number", "dive", "log"],
            Self::When => &[
                "januari",
                "februari",
                "march",
                "april",
                "june",
                "juli",
                "august",
                "septemb",
                "octob",
                "novemb",
                "decemb",
                "season",
                "month",
                "best",
                "year-round",
                "round",
                "monsoon",
            ],
            Self::Where => {
                &["locat", "coast", "island", "north", "south", "east", "west", "airport", "countri", "reach"]
            }
            Self::Allowed => &[
                "allow",
                "permit",
                "requir",
                "recommend",
                "advis",
                "avoid",
                "suitabl",
                "physician",
                "limit",
                "minimum",
            ],
            Self::Requirement => &["requir", "prerequisit", "need", "minimum", "ask", "least"],
            Self::Comparison => &["differ", "compar", "wherea", "while", "both", "equival", "same", "versus"],
            Self::HowTo => &["divers", "first", "avoid", "help", "step", "slowli", "before"],
            Self::Why => &["becaus", "reason", "caus", "risk", "therefor", "so"],
            Self::Definition | Self::Open => &[],
        }
    }

    /// Whether one or two facts answer, or a fuller picture is wanted.
    pub(crate) const fn wants_a_fact(self) -> bool {
        matches!(
            self,
            Self::Depth
                | Self::Age
                | Self::Duration
                | Self::Frequency
                | Self::Temperature
                | Self::Count
                | Self::When
                | Self::Where
        )
    }
}

/// A question, taken apart.
#[derive(Debug)]
pub(crate) struct Question {
    /// The kind of fact that answers.
    pub(crate) kind: Kind,
    /// Its content terms with their weight: 1 for its own words.
    pub(crate) terms: Vec<(String, f32)>,
    /// Terms that mean the same, by the term of the question.
    synonyms: HashMap<String, HashSet<String>>,
}

impl Question {
    /// Reads the question as asked and as searched; the latter stands alone and is in English as far as
    /// the router could make it so.
    pub(crate) fn read(asked: &str, query: &str) -> Self {
        let kind = kind(asked, query);
        let source = if query.trim().is_empty() { asked } else { query };
        let mut seen = HashSet::new();
        let mut weighted = Vec::new();
        for term in terms::terms(source) {
            if seen.insert(term.clone()) {
                let weight = if GENERAL.contains(&term.as_str()) { 0.35 } else { 1.0 };
                weighted.push((term, weight));
            }
        }
        let synonyms = weighted.iter().map(|(term, _)| (term.clone(), same_as(term))).collect();
        Self { kind, terms: weighted, synonyms }
    }

    /// How far a set of terms holds this term of the question: 1 itself, less for a synonym.
    pub(crate) fn holds(&self, term: &str, set: &HashSet<String>) -> f32 {
        if set.contains(term) {
            return 1.0;
        }
        let known = self.synonyms.get(term);
        if known.is_some_and(|synonyms| synonyms.iter().any(|s| set.contains(s))) { 0.8 } else { 0.0 }
    }
}

/// Stems so common in this subject that they say little.
const GENERAL: &[&str] =
    &["dive", "diver", "scuba", "good", "best", "need", "requir", "long", "old", "deep", "take", "kind", "differ"];

/// Groups of stems that stand for one another in a diver's question.
const SYNONYMS: &[&[&str]] = &[
    &["deep", "depth", "metr", "meter", "m", "ft", "feet", "maximum", "limit"],
    &["old", "age", "year", "young", "minimum", "junior"],
    &["kid", "child", "children", "junior", "son", "daughter", "teen", "teenag", "youth"],
    &["fli", "flight", "plane", "airplan", "aircraft", "flew", "altitud"],
    &["long", "durat", "hour", "day", "minut", "week", "last"],
    &["need", "requir", "prerequisit", "necessari", "minimum"],
    &["cost", "price", "fee", "expens", "cheap"],
    &["cert", "certif", "certifi", "certificat", "licens", "licenc", "card", "qualif"],
    &["cours", "class", "train", "program"],
    &["ow", "owd", "open"],
    &["aow", "aowd", "advanc"],
    &["dm", "divemast"],
    &["nitrox", "ean", "enrich", "eanx"],
    &["refresh", "reactiv", "updat", "rusti", "inact", "lapsed", "expir"],
    &["dcs", "decompress", "bend"],
    &["ear", "equal", "equalis", "sinus", "clear"],
    &["season", "month", "time", "best", "monsoon", "weather"],
    &["warm", "temperatur", "cold", "wetsuit", "water"],
    &["current", "drift"],
    &["manta", "ray"],
    &["wreck", "ship"],
    &["mask", "goggl"],
    &["reg", "regul"],
    &["bcd", "buoyanc", "jacket", "wing"],
    &["medic", "medicin", "drug", "pill", "tablet", "medicament"],
    &["pregnanc", "pregnant"],
    &["doctor", "physician"],
    &["shop", "center", "centr", "oper", "school"],
    &["scare", "afraid", "fear", "anxieti", "anxious", "nervous", "worri", "panic"],
    &["ascent", "ascend", "surfac"],
    &["tank", "cylind", "bottl"],
    &["difficulti", "difficult", "hard", "level", "easi", "beginn"],
    &["see", "seen", "wildlif", "fish", "marin"],
];

fn same_as(term: &str) -> HashSet<String> {
    let groups = SYNONYMS.iter().filter(|group| group.contains(&term));
    groups.flat_map(|group| group.iter()).filter(|s| **s != term).map(|s| (*s).to_owned()).collect()
}

/// Question words by kind; the first that occurs decides. English first, then the other languages.
const PATTERNS: &[(Kind, &[&str])] = &[
    (
        Kind::Depth,
        &[
            "how deep",
            "what depth",
            "max depth",
            "maximum depth",
            "depth limit",
            "how far down",
            "deepest",
            "wie tief",
            "profondeur",
            "qué profund",
            "profundidad",
            "profundidade",
            "quanto fundo",
            "profondità",
            "seberapa dalam",
            "kedalaman",
            "どのくらい深",
            "何メートル",
            "深度",
            "水深",
            "多深",
            "ลึก",
            "عمق",
        ],
    ),
    (
        Kind::Age,
        &[
            "how old",
            "what age",
            "minimum age",
            "youngest",
            "age limit",
            "too old",
            "too young",
            "wie alt",
            "mindestalter",
            "quel âge",
            "edad",
            "idade",
            "età",
            "umur",
            "usia",
            "何歳",
            "年齢",
            "多大",
            "几岁",
            "年龄",
            "อายุ",
            "عمر",
        ],
    ),
    (
        Kind::Temperature,
        &[
            "temperature",
            "how warm",
            "how cold",
            "wie warm",
            "wie kalt",
            "temperatur",
            "température",
            "suhu",
            "水温",
            "อุณหภูมิ",
            "حرارة",
        ],
    ),
    (
        Kind::Frequency,
        &[
            "how often",
            "how frequently",
            "wie oft",
            "tous les combien",
            "cada cuánto",
            "com que frequência",
            "ogni quanto",
            "seberapa sering",
            "どのくらいの頻度",
            "多久一次",
            "บ่อยแค่ไหน",
            "كم مرة",
        ],
    ),
    (
        Kind::Comparison,
        &[
            "difference",
            " vs",
            "versus",
            "compare",
            "better",
            "unterschied",
            "différence",
            "diferencia",
            "diferença",
            "differenza",
            "perbedaan",
            "違い",
            "区别",
            "差別",
            "ต่างกัน",
            "الفرق",
        ],
    ),
    (
        Kind::Duration,
        &[
            "how long",
            "how many days",
            "how many hours",
            "how soon",
            "how many minutes",
            "how much time",
            "surface interval",
            "wie lange",
            "combien de temps",
            "cuánto tiempo",
            "quanto tempo",
            "berapa lama",
            "どのくらいの時間",
            "何時間",
            "何日",
            "多久",
            "多长时间",
            "นานแค่ไหน",
            "كم من الوقت",
            "كم ساعة",
        ],
    ),
    (
        Kind::Count,
        &[
            "how many",
            "how much",
            "wie viele",
            "combien",
            "cuántos",
            "cuántas",
            "quantos",
            "quantas",
            "quanti",
            "berapa banyak",
            "いくつ",
            "何本",
            "多少",
            "กี่",
            "كم عدد",
        ],
    ),
    (
        Kind::When,
        &[
            "when",
            "what month",
            "which month",
            "best time",
            "what season",
            "in january",
            "wann",
            "quand",
            "cuándo",
            "quando",
            "kapan",
            "いつ",
            "什么时候",
            "何时",
            "เมื่อไหร่",
            "متى",
        ],
    ),
    (Kind::Where, &["where", "wo ", "où ", "dónde", "onde", "dove", "di mana", "どこ", "哪里", "ที่ไหน", "أين"]),
    (
        Kind::Requirement,
        &[
            "require",
            "prerequisite",
            "do i need",
            "need to",
            "what do i have to",
            "voraussetzung",
            "requisito",
            "prérequis",
            "persyaratan",
            "条件",
            "要求",
        ],
    ),
    (
        Kind::Why,
        &[
            "why",
            "what causes",
            "reason",
            "warum",
            "pourquoi",
            "por qué",
            "por que",
            "perché",
            "mengapa",
            "kenapa",
            "なぜ",
            "为什么",
            "ทำไม",
            "لماذا",
        ],
    ),
    (
        Kind::HowTo,
        &[
            "how do",
            "how to",
            "how can",
            "how should",
            "what should",
            "what do i do",
            "tips",
            "wie kann",
            "comment ",
            "cómo",
            "como ",
            "come ",
            "bagaimana",
            "どうやって",
            "怎么",
            "如何",
            "อย่างไร",
            "كيف",
        ],
    ),
    (
        Kind::Allowed,
        &[
            "can i",
            "can you",
            "can we",
            "may i",
            "am i",
            "is it ok",
            "is it safe",
            "allowed",
            "is it possible",
            "can a ",
            "can my",
            "kann ich",
            "darf ich",
            "puis-je",
            "puedo",
            "posso",
            "bolehkah",
            "できますか",
            "可以",
            "ได้ไหม",
            "هل يمكن",
        ],
    ),
    (
        Kind::Definition,
        &[
            "what is",
            "what's",
            "what are",
            "what does",
            "explain",
            "meaning of",
            "tell me about",
            "was ist",
            "qu'est-ce",
            "qué es",
            "o que é",
            "cos'è",
            "apa itu",
            "とは",
            "什么是",
            "คืออะไร",
            "ما هو",
            "ما هي",
        ],
    ),
];

fn kind(asked: &str, query: &str) -> Kind {
    let both = format!(" {} \n {} ", asked.to_lowercase(), query.to_lowercase());
    let found = PATTERNS.iter().find(|(_, words)| words.iter().any(|word| both.contains(word)));
    found.map_or(Kind::Open, |(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_fact_is_read_in_several_languages() {
        let of = |text: &str| Question::read(text, text).kind;
        assert_eq!(of("How deep can an open water diver go?"), Kind::Depth);
        assert_eq!(of("Wie tief darf ich mit OWD?"), Kind::Depth);
        assert_eq!(of("¿Cuál es la edad mínima?"), Kind::Age);
        assert_eq!(of("how long before i can fly"), Kind::Duration);
        assert_eq!(of("PADI vs SSI?"), Kind::Comparison);
        assert_eq!(of("when is manta season"), Kind::When);
        assert_eq!(of("manta rays in komodo"), Kind::Open);
    }
}
