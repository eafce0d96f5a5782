//! Which of the eleven languages a message is written in.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use dovvybuddy_core::Lang;

use crate::lexicon::Lexicon;
use crate::message::Message;
use crate::text::{self, Text};

/// The languages of Latin script.
const LATIN: [Lang; 7] = [Lang::En, Lang::Es, Lang::De, Lang::Fr, Lang::Pt, Lang::It, Lang::Id];

/// What the words of a message say about its language.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detected {
    /// The likeliest language, or the hint's when the words say nothing.
    pub(crate) lang: Lang,
    /// Others nearly as likely, likeliest first.
    pub(crate) rivals: Vec<Lang>,
    /// Whether the words themselves decided.
    pub(crate) sure: bool,
}

/// From this score on the words themselves decide.
const SURE: f32 = 1.0;
/// Messages of at most so many units may have no small word, and are cheap to look up in every lexicon.
const FEW: usize = 6;
/// What a word counts that a language's lexicon knows.
const KNOWN_WORD: f32 = 0.5;

/// Detects the language of `raw`; `hint` decides when the words don't.
pub(crate) fn detect(raw: &str, hint: Option<Lang>) -> Detected {
    Message::read(raw).signs.detect(hint)
}

/// What speaks for each language, whatever was expected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Signs {
    /// The script alone tells.
    Script(Lang),
    /// How well each language of Latin script fits, the best first.
    Words(Vec<(Lang, f32)>),
}

impl Signs {
    /// Looks at a message and its units.
    pub(crate) fn of(raw: &str, text: &Text) -> Self {
        by_script(raw).map_or_else(|| Self::Words(scores(raw, text)), Self::Script)
    }

    /// The language; `hint` decides when the words don't.
    pub(crate) fn detect(&self, hint: Option<Lang>) -> Detected {
        let scores = match self {
            Self::Script(lang) => return Detected { lang: *lang, rivals: Vec::new(), sure: true },
            Self::Words(scores) => scores,
        };
        let best = scores.first().copied().unwrap_or((Lang::En, 0.0));
        let sure = best.1 >= SURE;
        let lang = match hint {
            // Words that say nothing of their language are in the one expected, whatever its script.
            Some(hint) if !sure => hint,
            // Else a hint wins only against a language that is hardly likelier.
            Some(hint) if scores.iter().any(|(l, s)| *l == hint && *s + 0.3 >= best.1) => hint,
            _ if best.1 > 0.2 => best.0,
            _ => Lang::En,
        };
        let rivals = scores
            .iter()
            .filter(|(l, s)| *l != lang && (*s >= best.1 * 0.6 || (*l == Lang::En && !sure)))
            .map(|(l, _)| *l)
            .take(3)
            .collect();
        Detected { lang, rivals, sure }
    }
}

fn scores(raw: &str, text: &Text) -> Vec<(Lang, f32)> {
    let mut scores: Vec<(Lang, f32)> = LATIN.iter().map(|&lang| (lang, score(lang, raw, text))).collect();
    if text.units.len() <= FEW && scores.iter().all(|(_, score)| *score < SURE) {
        for ((_, score), known) in scores.iter_mut().zip(known_words(text)) {
            *score += known;
        }
    }
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    scores
}

/// What the lexicons know of the words, per language of Latin script: "takut hiu" has no small word that
/// would tell. Words that all of them know are names and tell nothing.
fn known_words(text: &Text) -> [f32; LATIN.len()] {
    let known: [HashSet<usize>; LATIN.len()] = LATIN.map(|lang| {
        let hits = Lexicon::of(lang).find(text);
        hits.iter().flat_map(|hit| hit.start..hit.end).collect()
    });
    let everywhere = |unit: &usize| known.iter().all(|units| units.contains(unit));
    let told = |units: &HashSet<usize>| units.iter().filter(|unit| !everywhere(unit)).map(|_| KNOWN_WORD).sum();
    std::array::from_fn(|at| known.get(at).map_or(0.0, told))
}

/// The language when the script alone tells.
fn by_script(raw: &str) -> Option<Lang> {
    let (mut thai, mut kana, mut han, mut arabic, mut latin) = (0, 0, 0, 0, 0);
    for c in raw.chars() {
        match c {
            c if text::is_thai(c) => thai += 1,
            c if text::is_kana(c) => kana += 1,
            c if text::is_han(c) => han += 1,
            c if text::is_arabic(c) => arabic += 1,
            c if c.is_alphabetic() => latin += 1,
            _ => {}
        }
    }
    // Agencies, places and gear are often left in Latin letters; a few letters of another script
    // weigh more than they do.
    let weight = |n: i32| n * 3 >= latin && n > 0;
    if weight(thai) {
        Some(Lang::Th)
    } else if weight(arabic) {
        Some(Lang::Ar)
    } else if kana > 0 && weight(kana + han) {
        Some(Lang::Ja)
    } else if weight(han) {
        Some(Lang::Zh)
    } else {
        None
    }
}

/// How well a Latin language fits: its function words, letters and endings.
fn score(lang: Lang, raw: &str, text: &Text) -> f32 {
    let (words, endings) = (function_words(lang), endings(lang));
    let mut score = 0.0;
    for unit in &text.units {
        if words.contains(unit.as_str()) {
            score += if unit.len() == 1 { 0.3 } else { 1.0 };
        } else if unit.len() > 4 && endings.iter().any(|ending| unit.ends_with(ending)) {
            score += 0.4;
        }
    }
    let letters = letters(lang);
    #[allow(clippy::cast_precision_loss, reason = "a count of letters in one message")]
    let special = others(raw).filter(|c| letters.contains(*c)).count() as f32;
    score + 0.6 * special
}

/// The letters beyond those that all languages have, in lower case.
fn others(raw: &str) -> impl Iterator<Item = char> {
    raw.chars().filter(|c| !c.is_ascii()).flat_map(char::to_lowercase)
}

const fn letters(lang: Lang) -> &'static str {
    match lang {
        Lang::Es => "ñ¿¡áíóú",
        Lang::De => "äöüß",
        Lang::Fr => "çœêèàâîôûùë",
        Lang::Pt => "ãõçâêáéíóúà",
        Lang::It => "èòùàì",
        _ => "",
    }
}

const fn endings(lang: Lang) -> &'static [&'static str] {
    match lang {
        Lang::En => &["ing", "tion", "ness", "ght", "ould", "ly", "ed"],
        Lang::Es => &["cion", "ciones", "ando", "iendo", "miento", "dad", "ero", "illo"],
        Lang::De => &["ung", "keit", "lich", "chen", "tauchen", "schein", "heit", "isch"],
        Lang::Fr => &["tion", "ment", "eur", "euse", "ais", "ait", "ez", "eau", "aux"],
        Lang::Pt => &["cao", "coes", "mento", "ando", "endo", "dade", "eiro", "inho"],
        Lang::It => &["zione", "zioni", "mento", "ando", "endo", "ita", "iamo", "ione", "ezza"],
        Lang::Id => &["kan", "nya", "lah", "kah"],
        _ => &[],
    }
}

/// The commonest small words of a language, folded as [`Text`] folds.
pub(crate) fn function_words(lang: Lang) -> &'static HashSet<&'static str> {
    static WORDS: OnceLock<HashMap<Lang, HashSet<&'static str>>> = OnceLock::new();
    static NONE: OnceLock<HashSet<&'static str>> = OnceLock::new();
    let all = WORDS
        .get_or_init(|| Lang::ALL.into_iter().map(|lang| (lang, listed(lang).split_whitespace().collect())).collect());
    all.get(&lang).unwrap_or_else(|| NONE.get_or_init(HashSet::new))
}

const fn listed(lang: Lang) -> &'static str {
    match lang {
        Lang::En => EN,
        Lang::Es => ES,
        Lang::De => DE,
        Lang::Fr => FR,
        Lang::Pt => PT,
        Lang::It => IT,
        Lang::Id => ID,
        _ => "",
    }
}

const EN: &str = "
    the a an is are was were my your his her our their i im ive id you he hes she shes it its we they and or but
    to of in on at for with from after before since what whats when where which who how why can cant could
    should would will wont do does dont doesnt did have has had been be am not this that there any some need get
    got just still about best much many long if so up out now good than then diving dive dived diver feel me him
    them us as by one without help please thanks hi hello while during into off over under too very wait tell
";

const ES: &str = "
    el la los las un una es son mi tu su yo que de del en y o con por para como cual cuando cuanto cuanta
    cuantos donde se me te le lo no si despues antes hay esta este estoy estan tengo tiene puedo puede quiero
    necesito hacer hace muy mas pero mejor desde hoy ayer ahora bucear buceo inmersion buzo companero al sin ha
    he fue cuesta hola gracias nos siento tras sobre ya mucho todavia soy mis sus debo tras
";

const DE: &str = "
    der die das den dem ein eine einen einem einer ist sind war ich du er sie es wir ihr mein meine meinem
    meinen meiner und oder aber zu zum zur im in am an auf fur mit von vom nach vor seit bei beim was wann wo
    wie wer welche welcher welches warum kann konnen darf soll muss hat habe haben wird werden nicht kein keine
    noch man mir mich sich tauchen tauchgang taucher taucherin heute gestern jetzt viel wieviel gut brauche
    braucht gibt ohne uber unter auch schon nur wenn als dass hallo danke bitte ihm unser sein seine vielen dank
    geht immer tauchkurs sehr kostet eure euch ihn
";

const FR: &str = "
    le la les un une des du de est sont je jai tu il elle nous vous ils mon ma mes son sa ses votre vos et ou
    mais a au aux en dans sur pour avec sans par apres avant depuis que qui quoi quel quelle quels quelles quand
    comment combien pourquoi peut peux puis faut dois doit pas ne ce cest cette ca se me te lui plongee plonger
    plongeur binome aujourdhui hier maintenant tres plus toujours ya suis fait faire avoir ete bonjour merci on
    quil quelle lors etre sest encore leau nest y
";

const PT: &str = "
    o a os as um uma e sao eu voce voces ele ela nos meu minha seu sua que de do da dos das em no na nos nas com
    sem por para pra como qual quais quando quanto quantos onde se me nao sim depois apos antes ha esta estou
    estao tenho tem posso pode quero preciso fazer faz muito mais mas melhor desde hoje ontem agora mergulhar
    mergulho mergulhador ao foi ola obrigado obrigada ainda ja sou dupla custa sinto isso pro epoca sentindo ta
    meus minhas num numa muita pelo pela dor seus suas nosso
";

const IT: &str = "
    il lo la i gli le un una uno e sono io tu lui lei noi voi loro mio mia miei suo sua che di del della dei
    delle dell in nel nella con senza per come quale quali qual quando quanto quanta quanti dove perche si mi ti
    ci non dopo prima da dal dalla ho ha hanno posso puo devo deve voglio fare fa molto piu ma meglio oggi ieri
    ora adesso immersione immersioni immergersi subacqueo sub al alla ai alle ancora gia ciao grazie migliore
    serve cosa cose dura costa sto sta stato sulla sul su miglior questo compagno
";

const ID: &str = "
    yang dan di ke dari untuk dengan tanpa ini itu saya aku kamu anda dia kami kita mereka apa apakah siapa
    kapan mana dimana bagaimana gimana kenapa mengapa berapa bisa boleh harus mau ingin ada tidak gak nggak ga
    bukan sudah udah belum setelah sebelum sejak sesudah habis hari kemarin sekarang tadi pagi menyelam selam
    penyelam penyelaman teman masih lagi juga atau tapi karena kalau jika lebih paling sangat banget terbaik
    bagus lama banyak pada dalam oleh seperti punya buat tolong terima kasih halo nya ku musim bulan biaya jam
    kursus suami istri naik jadi sama aja dong nih sih ya saja sedang
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_messages_in_eleven_languages() {
        for (lang, text) in [
            (Lang::En, "how big do they get"),
            (Lang::En, "USAT Liberty wreck depth"),
            (Lang::Es, "¿qué requisitos hay para el curso nitrox?"),
            (Lang::De, "Wo kann man im Dezember gut tauchen, max 6h Flug"),
            (Lang::Fr, "puis-je plonger avec des lentilles"),
            (Lang::Pt, "quais tubarões dá pra ver nas Bahamas"),
            (Lang::It, "migliore stagione per le Maldive"),
            (Lang::Id, "berapa lama kursus open water"),
            (Lang::Id, "takut hiu"),
            (Lang::De, "Haie Angst"),
            (Lang::En, "shark fear"),
            (Lang::En, "manta komodo"),
            (Lang::Ja, "アドバンスの受講条件は？"),
            (Lang::Th, "ดำน้ำแล้วหูอื้อทำไง"),
            (Lang::Ar, "هل الغوص آمن للحامل"),
            (Lang::Zh, "朋友潜水后半边身体没有知觉"),
        ] {
            assert_eq!(detect(text, None).lang, lang, "{text}");
        }
    }

    #[test]
    fn a_hint_decides_only_what_the_words_leave_open() {
        assert_eq!(detect("ok", Some(Lang::Pt)).lang, Lang::Pt);
        assert_eq!(detect("?", Some(Lang::Ja)).lang, Lang::Ja);
        assert_eq!(detect("my buddy is not breathing", Some(Lang::Ja)).lang, Lang::En);
        assert_eq!(detect("where can I dive in december", Some(Lang::De)).lang, Lang::En);
        assert_eq!(detect("PADI?", None).lang, Lang::En);
    }
}
