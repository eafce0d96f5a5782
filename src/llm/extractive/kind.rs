//! The kind of fact a question wants, and where such facts stand.

use super::months::Months;
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
    /// A pressure.
    Pressure,
    /// A size or length.
    Extent,
    /// A length or a duration: "how long is it" asks for either.
    Long,
    /// How fast.
    Speed,
    /// How far one sees.
    Visibility,
    /// A share of a whole.
    Share,
    /// How many times as much.
    Ratio,
    /// A year of the calendar.
    Year,
    /// Somebody.
    Who,
    /// A count ("how many dives").
    Count,
    /// A season or date.
    When,
    /// A place.
    Where,
    /// The country of something.
    Country,
    /// What something is called.
    Name,
    /// Places to dive by name.
    Sites,
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
    /// The level or experience a place or dive asks for.
    Level,
    /// The way to a place.
    Access,
    /// What there is to see.
    Sight,
    /// A definition.
    Definition,
    /// Anything else.
    Open,
}

impl Kind {
    /// Units that a fitting sentence holds.
    pub(crate) const fn units(self) -> &'static [Unit] {
        match self {
            Self::Depth | Self::Visibility => &[Unit::Metre, Unit::Foot],
            Self::Age => &[Unit::Year],
            Self::Frequency => &[Unit::Day, Unit::Week, Unit::Month, Unit::Year],
            Self::Duration => &[Unit::Minute, Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Year],
            Self::Temperature => &[Unit::Celsius, Unit::Fahrenheit, Unit::Millimetre],
            Self::Extent => &[Unit::Metre, Unit::Foot, Unit::Centimetre, Unit::Inch, Unit::Kilogram, Unit::Pound],
            Self::Long => &[
                Unit::Metre,
                Unit::Foot,
                Unit::Centimetre,
                Unit::Minute,
                Unit::Hour,
                Unit::Day,
                Unit::Week,
                Unit::Month,
                Unit::Year,
            ],
            Self::Share => &[Unit::Percent],
            Self::Pressure => &[Unit::Bar, Unit::Psi],
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
            Self::Pressure => &["pressur", "limit", "bar", "maximum"],
            Self::Extent => &["length", "grow", "adult", "exceed", "measur", "larg", "largest", "size"],
            Self::Long => &["take", "last", "length", "long", "durat"],
            Self::Speed => &["speed", "rate", "fast", "faster", "slowli"],
            Self::Visibility => &["visibl"],
            Self::Share => &["percent", "contain", "consist", "share"],
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
            Self::Country => &["lie", "locat", "island", "coast", "off", "nation", "state", "belong", "countri"],
            Self::Name => &["call", "known", "name", "term"],
            Self::Sites => &["site", "reef", "wreck", "wall", "pinnacl", "point", "lie"],
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
            Self::Level => &["level", "suit", "beginn", "advanc", "experi", "reserv", "easi"],
            Self::Access => &["airport", "flight", "reach", "ferri", "boat", "transfer", "fli", "minut", "hour"],
            Self::Sight => &["home", "see", "seen", "shark", "turtl", "show", "known", "common", "live", "meet"],
            Self::Ratio | Self::Year | Self::Who | Self::Definition | Self::Open => &[],
        }
    }

    /// Words (stems) of the heading over such facts.
    pub(crate) const fn heading_cues(self) -> &'static [&'static str] {
        match self {
            Self::Depth => &["deep", "depth", "limit"],
            Self::Age => &["age", "old", "junior"],
            Self::Duration | Self::Long => &["long", "time", "soon", "take"],
            Self::Extent => &["big", "size", "grow"],
            Self::Speed => &["fast", "speed", "rate"],
            Self::Visibility => &["visibl"],
            Self::Frequency => &["servic", "interv", "long", "year", "renew"],
            Self::Temperature => &["temperatur", "cold", "warm"],
            Self::Pressure => &["pressur", "limit"],
            Self::Count | Self::Requirement => &["requir", "prerequisit", "contain", "start", "finish"],
            Self::When => &["time", "season", "month", "when"],
            Self::Where | Self::Country => &["get", "place", "see", "site"],
            Self::Sites => &["site", "dive", "best"],
            Self::Level => &["level", "suit", "hard", "expect"],
            Self::Access => &["get", "reach"],
            Self::Sight => &["see"],
            Self::Comparison => &["differ", "compar"],
            Self::Share
            | Self::Ratio
            | Self::Year
            | Self::Who
            | Self::Allowed
            | Self::HowTo
            | Self::Why
            | Self::Definition
            | Self::Name
            | Self::Open => &[],
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
                | Self::Pressure
                | Self::Extent
                | Self::Long
                | Self::Speed
                | Self::Visibility
                | Self::Share
                | Self::Ratio
                | Self::Year
                | Self::Who
                | Self::Count
                | Self::When
                | Self::Where
                | Self::Country
                | Self::Sites
        )
    }
}

/// Question words by kind, parted by bars; the first that occurs decides. English first, then the other
/// languages.
const PATTERNS: &[(Kind, &str)] = &[
    // "Can I" in "what can I do" asks for no permission, nor "when" in "what to do when" for a season.
    (
        Kind::HowTo,
        "what can i do \n|what can i do? \n|what can i do against|what can i do about|what can one do|what to do|what do i do|\
         what should i do|what helps|how do i stop|how do i avoid",
    ),
    (
        Kind::Ratio,
        "what fraction|which fraction|how many times|how much faster|how much slower|how much bigger|how much larger|how much closer|how much more|\
         how much denser|times quicker|times faster|wie viel mehr|wie viel schneller|cuántas veces|quantas vezes|\
         quante volte|combien de fois|rispetto alla|par rapport|en comparación|berapa kali lipat|何倍|几倍|多少倍|กี่เท่า|كم مرة اسرع|كم ضعف",
    ),
    (
        Kind::Speed,
        "how fast|how quickly|how slow|what speed|ascent rate|wie schnell|quelle vitesse|qué velocidad|\
         que velocidad|que velocidade|che velocità|seberapa cepat|速度|多快|เร็วแค่ไหน|السرعة|سرعة",
    ),
    (
        Kind::Share,
        "percent|what %|how many %|what share|how much oxygen|how much nitrogen|prozent|pourcentage|porcentaje|por ciento|\
         porcentagem|percentuale|persen|パーセント|割合|百分|比例|含量|เปอร์เซ็นต์|نسبة",
    ),
    (
        Kind::Extent,
        "how big|how large|how tall|how wide|how high|how heavy|long does it get|long do they get|what size|how huge|\
         what length|wie groß|wie gross|quelle taille|quelle longueur|qué tamaño|cuánto mide|cuánto miden|\
         que tamanho|quanto mede|quanto è grand|quanto è lung|seberapa besar|berapa panjang|seberapa panjang|大きさ|\
         体長|長多大|长多大|有多大|多长|多重|ตัวใหญ่|ยาวแค่ไหน|ใหญ่แค่ไหน|كم طول|كم حجم|ما حجم|ما طول",
    ),
    (
        Kind::Year,
        "what year|which year|year sunk|year built|year founded|sunk when|when did|when was|when were|wann wurde|welchem jahr|welches jahr|quelle année|qué año|\
         que ano|em que ano|che anno|in quale anno|tahun berapa|何年|哪一年|哪年|ปีไหน|ปีอะไร|اي سنة|أي سنة|اي عام|أي عام",
    ),
    (Kind::Who, "wer hat|wer war|qui a |quién|quien|quem|chi ha|siapa|誰|谁|ใคร|من اخترع|من اسس|من أسس"),
    (
        Kind::Pressure,
        "partial pressure|po2|what pressure|absolute pressure|qué presión|que pressão|che pressione|quelle pression|\
         wasserdruck|berapa tekanan|tekanan di|水圧|気圧|压力|压强|ความดันที่|which pressure|the pressure at|pressure at |how many bar|welcher druck|\
         partialdruck|pression partielle|presión parcial|pressão parcial|pressione parziale|tekanan parsial|分圧|\
         分压|ความดันย่อย|الضغط الجزئي",
    ),
    (
        Kind::Depth,
        "how deep|max depth|maximum depth|depth limit| mod |operating depth|what depth|\
         what depth|max depth|maximum depth|depth limit|how far down|deepest|wie tief|profondeur|\
         qué profund|profundidad|profundidade|quanto fundo|profondità|seberapa dalam|kedalaman|\
         どのくらい深|何メートル|深度|水深|多深|ลึก|عمق",
    ),
    (
        Kind::Age,
        "how old|what age|minimum age|youngest|year old|which age|maximum age|how young|\
         age limit|too old|too young|wie alt|mindestalter|quel âge|edad|idade|età|umur|usia|何歳|\
         年齢|多大年|多大可|多大才|孩子多大|几岁|年龄|กี่ขวบ|อายุ|عمر",
    ),
    (
        Kind::Access,
        "how do i get to|how to get to|how do we get to|how can i get to|airport|\
         how do you reach|getting to|wie komme ich|comment aller|cómo llegar|como chegar|\
         come si arriva",
    ),
    (
        Kind::Sight,
        "what can you see|what can i see|what to see|what will i see|what do you see|\
         what's there to see|what can we see|which animals|which fish|was gibt es zu sehen|\
         que voir|que voit|qué se ve|qué veo|cosa vedo|cosa si vede|cosa vedere|o que vejo|o que se vê|o que ver|apa yang bisa dilihat|lihat apa|was sehe|何が見|看到什么|ดูอะไร|เห็นอะไร|ماذا أرى|ماذا سأرى",
    ),
    (
        Kind::Level,
        "what level|which level|how hard|how difficult|suitable|for beginners|beginner friendly|\
         good for beginner|what certification do i need|experience do i need",
    ),
    (
        Kind::Temperature,
        "temperature|how warm| degree|°c|how thick|how cold|wetsuit for|what wetsuit|which wetsuit|what suit|wie warm|wie kalt|temperatur|\
         température|suhu|水温|อุณหภูมิ|حرارة",
    ),
    (
        Kind::Frequency,
        "how often|how frequently|wie oft|tous les combien|cada cuánto|com que frequência|\
         ogni quanto|seberapa sering|บ่อยแค่ไหน|どのくらいの頻度|多久一次|บ่อยแค่ไหน|كم مرة",
    ),
    (
        Kind::Visibility,
        "visibility| viz |how clear|sichtweite|visibilité|visibilidad|visibilidade|visibilità|jarak pandang|透明度|\
         能见度|ทัศนวิสัย|مدى الرؤية",
    ),
    (
        Kind::Comparison,
        "difference| vs|versus|compare|better|unterschied|différence|diferencia|diferença|\
         differenza|perbedaan|違い|区别|差別|ต่างกัน|الفرق",
    ),
    (
        Kind::Duration,
        " ndl at| ndl for|deco limit at|deco limit for|stop limit at|decompression limit at|bottom time at|how long|how many days|how many hours|how soon|how many minutes|how much time|\
         surface interval|wie lange|combien de temps|cuánto tiempo|quanto tempo|berapa lama|\
         どのくらいの時間|何時間|何日|多久|多长时间|นานแค่ไหน|كم من الوقت|كم ساعة",
    ),
    (
        Kind::Count,
        "how many|how much|how common|how likely|how rare|how far|\
         wie viele|combien|cuántos|cuántas|quantos|quantas|quanti|berapa banyak|いくつ|何本|多少|กี่|\
         كم عدد",
    ),
    (
        Kind::When,
        "when|what month|which month|best time|best month|best season|season|what season|\
         in january|wann|quand|cuándo|quando|kapan|いつ|什么时候|何时|เมื่อไหร่|متى",
    ),
    (
        Kind::Sites,
        "best dive sites|good wreck|best reefs|top dive|which dive sites|what dive sites|good dive sites|dive spots|best dives|good dives|best sites|\
         best wrecks|top dives|beste tauchplätze|meilleurs sites|mejores inmersiones|mejores puntos|melhores pontos|\
         migliori siti|migliori immersioni",
    ),
    (
        Kind::Country,
        "which country|what country|countries|country n |belong to|belongs to|nationality|what nation|which nation|in welchem land|quel pays|\
         qué país|que país|quale paese|che paese|negara mana|哪个国家|どこの国|ประเทศไหน|ประเทศอะไร|اي بلد|أي بلد|اي دولة|أي دولة",
    ),
    (
        Kind::Where,
        "where|best place|best spot|dive sites|wreck dives|which sea|what sea|which ocean|which state|what state|which island|what island|\
         which port|what port|which town|what town|which national park|what national park|which bay|which lagoon|which atoll|وين |wo |où |dónde|onde|dove|di mana|どこ|哪里|ที่ไหน|أين",
    ),
    (
        Kind::Requirement,
        "require|prerequisite|mandatory|compulsory|do i need|need to|what do i have to|\
         voraussetzung|requisito|prérequis|persyaratan|条件|要求",
    ),
    (
        Kind::Why,
        "why|what causes|reason|warum|pourquoi|por qué|por que|perché|mengapa|kenapa|なぜ|为什么|ทำไม|\
         لماذا",
    ),
    (
        Kind::HowTo,
        "how do|how to|how can|how should|what should|what do i do|tips|wie kann|comment |cómo|\
         como |come |bagaimana|どうやって|怎么|如何|อย่างไร|كيف",
    ),
    (
        Kind::Allowed,
        "can i|can you|can we|can he |can she |may i|am i|is it ok|is it safe|allowed|is it possible|can a |\
         can my|kann ich|darf ich|puis-je|puedo|posso|bolehkah|できますか|可以|ได้ไหม|هل يمكن",
    ),
    (
        Kind::Name,
        "called|name of|the name|what do you call|what do they call|what do divers call|named|nickname|which law|whose law|\
         what law|term for|word for|wie heißt|wie heisst|comment s'appelle|cómo se llama|como se chama|come si chiama|namanya apa",
    ),
    (
        Kind::Definition,
        "what is|what's|what are|what does|explain|meaning|stand for|short for| mean|tell me about|was ist|qu'est-ce|\
         qué es|o que é|cos'è|apa itu|とは|什么是|คืออะไร|ما هو|ما هي",
    ),
];

/// The kind of fact that answers a question as asked and as searched.
pub(crate) fn kind(asked: &str, query: &str) -> Kind {
    let both = format!(" {} \n {} ", asked.to_lowercase(), query.to_lowercase());
    // How a thing works is told by what it is.
    if both.contains("how does ") && both.contains(" work") {
        return Kind::Definition;
    }
    if is_of_a_thing(&both) {
        return Kind::Year;
    }
    if is_a_choice(asked) {
        return Kind::Comparison;
    }
    if asks_for_somebody(&both) {
        return Kind::Who;
    }
    let found = PATTERNS.iter().find(|(_, words)| words.split('|').any(|word| both.contains(word)));
    let kind = found.map_or(Kind::Open, |(kind, _)| *kind);
    let kind = match kind {
        // A ship sinks and an agency is founded in a year; seasons have months.
        Kind::When if EVENTS.iter().any(|event| both.contains(event)) => Kind::Year,
        // "Is it ok to dive when pregnant" tells the case.
        Kind::When if PERMISSIONS.iter().any(|words| both.trim_start().starts_with(words)) => Kind::Allowed,
        Kind::Duration if ["how long is", "how long are", "how long was"].iter().any(|w| both.contains(w)) => {
            Kind::Long
        }
        // A depth may be asked for at a pressure.
        Kind::Pressure if ["how deep", "max depth", "maximum depth", " mod "].iter().any(|w| both.contains(w)) => {
            Kind::Depth
        }
        kind => kind,
    };
    // "What is Thailand like in July" asks for the season, whatever its verb.
    let general = matches!(kind, Kind::Open | Kind::Definition | Kind::HowTo | Kind::Allowed);
    if general && !(Months::asked(asked).is_empty() && Months::asked(query).is_empty()) { Kind::When } else { kind }
}

/// "How old is scuba diving" asks when it began, and not for anybody's age.
fn is_of_a_thing(asked: &str) -> bool {
    const THINGS: &[&str] = &[
        "scuba",
        "diving",
        "the sport",
        "sport",
        "padi",
        "ssi",
        "naui",
        "bsac",
        "cmas",
        "the wreck",
        "the ship",
        "the reef",
        "the great",
        "snorkelling",
        "snorkeling",
        "freediving",
        "the aqualung",
        "the aqua-lung",
        "the regulator",
    ];
    asked.split("how old is ").skip(1).any(|after| THINGS.iter().any(|thing| after.starts_with(thing)))
}

/// "Who led the team": somebody did it. "Who can dive there" and "who needs a certificate" ask for a level.
fn asks_for_somebody(asked: &str) -> bool {
    const DID: &[&str] = &[
        "was", "were", "found", "made", "built", "first", "set", "holds", "held", "wrote", "went", "led", "took",
        "came", "swam", "began", "sank", "gave", "won", "dove", "became",
    ];
    const BEFORE: &[&str] = &["know ", "tell me ", "wonder ", "wondering ", "remember "];
    // Behind a comma it tells of somebody who is named already.
    let parts = asked.split(['?', '.', '!', '\n']).map(str::trim_start);
    let asking = parts.filter_map(|part| {
        let indirect = || BEFORE.iter().find_map(|before| part.split_once(before)?.1.strip_prefix("who "));
        part.strip_prefix("who ").or_else(indirect)?.split_whitespace().next()
    });
    let past = |verb: &str| verb.ends_with("ed") && !verb.ends_with("eed");
    asking.into_iter().any(|verb| past(verb) || DID.contains(&verb))
}

/// "Cozumel or Tulum?": two things and hardly a word besides.
fn is_a_choice(asked: &str) -> bool {
    const OPENING: &[&str] = &[
        "is", "are", "can", "should", "shall", "do", "does", "may", "will", "what", "which", "how", "when", "where",
        "why", "am", "any", "two", "one", "more", "a",
    ];
    let words: Vec<String> = asked.split_whitespace().map(str::to_lowercase).collect();
    let or = words.iter().position(|word| matches!(word.as_str(), "or" | "vs" | "vs." | "oder" | "ou" | "o"));
    let opens = words.first().is_some_and(|word| OPENING.contains(&word.as_str()));
    or.is_some_and(|at| at > 0 && at <= 3) && !opens && words.len() <= LONGEST_CHOICE
}

/// A longer message asks something of its own.
const LONGEST_CHOICE: usize = 12;

/// How a question opens that asks whether something may be done.
const PERMISSIONS: &[&str] = &[
    "is it ok",
    "is it safe",
    "is it fine",
    "is it dangerous",
    "is it bad",
    "can i",
    "can you",
    "can one",
    "can he ",
    "can she ",
    "may i",
    "should i",
];

/// What happens once.
const EVENTS: &[&str] =
    &[" sank", " sunk", " sink", " go down", " went down", "founded", "invented", "discovered", "was built", " born "];

/// What parts the questions of a message.
const PARTS: &[&str] =
    &[" and ", " und ", " et ", " y ", " e ", " dan ", "、", "，", ",", ";", "?", "？", "؟", " و", "和", "และ", " ดำ"];

/// The kinds of fact that the parts of a question want besides `first`.
pub(crate) fn further(asked: &str, first: Kind) -> Vec<Kind> {
    let mut parts = vec![asked.to_lowercase()];
    for part in PARTS {
        parts = parts.iter().flat_map(|text| text.split(part)).map(str::to_owned).collect();
    }
    let mut kinds = Vec::new();
    for part in parts.iter().filter(|_| parts.len() > 1) {
        let kind = kind(part, "");
        if kind.wants_a_fact() && kind != first && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_fact_is_read_in_several_languages() {
        let of = |text: &str| kind(text, text);
        assert_eq!(of("How deep can an open water diver go?"), Kind::Depth);
        assert_eq!(of("Wie tief darf ich mit OWD?"), Kind::Depth);
        assert_eq!(of("¿Cuál es la edad mínima?"), Kind::Age);
        assert_eq!(of("how long before i can fly"), Kind::Duration);
        assert_eq!(of("PADI vs SSI?"), Kind::Comparison);
        assert_eq!(of("when is manta season"), Kind::When);
        assert_eq!(of("is it ok to dive when pregnant"), Kind::Allowed);
        assert_eq!(of("can he dive when on antibiotics"), Kind::Allowed);
        assert_eq!(of("what is a sound that divers can hear"), Kind::Definition);
        assert_eq!(of("what's Thailand like in July"), Kind::When);
        assert_eq!(of("manta rays in komodo"), Kind::Open);
        assert_eq!(of("who went down to the bottom of the trench in 1960"), Kind::Who);
        assert_eq!(of("do you know who holds the record for the deepest dive?"), Kind::Who);
        assert_ne!(of("who can dive there"), Kind::Who);
        assert_ne!(of("who need a medical certificate"), Kind::Who);
        assert_eq!(of("my wife, who had asthma as a child, how deep can she go?"), Kind::Depth);
    }
}
