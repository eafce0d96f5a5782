//! Units of diving, and when two quantities say the same.

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    /// No unit, or one that needs no check.
    Bare,
    Metre,
    Foot,
    Kilometre,
    Mile,
    Centimetre,
    Inch,
    Millimetre,
    Bar,
    Psi,
    Celsius,
    Fahrenheit,
    Kilogram,
    Pound,
    Litre,
    CubicFoot,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Percent,
    Money,
}

/// Unit words in Latin script: they end at a word boundary. Longest first among equal beginnings is
/// not needed, the whole word is compared.
const WORDS: &[(Unit, &[&str])] = &[
    (
        Unit::Metre,
        &["m", "metre", "metres", "meter", "meters", "metro", "metros", "metri", "mètre", "mètres", "metern"],
    ),
    (Unit::Foot, &["ft", "foot", "feet", "pies", "pie", "fuß", "fuss", "pieds", "pied", "pés", "piedi", "kaki"]),
    (Unit::Kilometre, &["km", "kilometre", "kilometres", "kilometer", "kilometers", "kilómetros", "kilomètres"]),
    (Unit::Mile, &["mi", "mile", "miles", "millas", "meilen", "milles", "milhas", "miglia", "mil"]),
    (Unit::Centimetre, &["cm", "centimetre", "centimetres", "centimeter", "centimeters"]),
    (Unit::Inch, &["in", "inch", "inches"]),
    (Unit::Millimetre, &["mm", "millimetre", "millimetres", "millimeter", "millimeters"]),
    (Unit::Bar, &["bar", "bars", "bares"]),
    (Unit::Psi, &["psi"]),
    (Unit::Celsius, &["c", "celsius", "centigrade"]),
    (Unit::Fahrenheit, &["f", "fahrenheit"]),
    (Unit::Kilogram, &["kg", "kgs", "kilo", "kilos", "kilogram", "kilograms", "kilogramm"]),
    (Unit::Pound, &["lb", "lbs", "pound", "pounds", "libras"]),
    (Unit::Litre, &["l", "litre", "litres", "liter", "liters", "litros", "litri"]),
    (Unit::CubicFoot, &["cuft", "cf"]),
    (Unit::Second, &["s", "sec", "secs", "second", "seconds", "segundos", "sekunden", "secondes", "secondi", "detik"]),
    (Unit::Minute, &["min", "mins", "minute", "minutes", "minutos", "minuto", "minuten", "minuti", "minuto", "menit"]),
    (
        Unit::Hour,
        &[
            "h", "hr", "hrs", "hour", "hours", "hora", "horas", "stunde", "stunden", "heure", "heures", "ora", "ore",
            "jam",
        ],
    ),
    (
        Unit::Day,
        &[
            "d", "day", "days", "día", "días", "dia", "dias", "tag", "tage", "tagen", "jour", "jours", "giorno",
            "giorni", "hari",
        ],
    ),
    (
        Unit::Week,
        &[
            "week",
            "weeks",
            "semana",
            "semanas",
            "woche",
            "wochen",
            "semaine",
            "semaines",
            "settimana",
            "settimane",
            "minggu",
        ],
    ),
    (
        Unit::Month,
        &["month", "months", "mes", "meses", "mês", "monat", "monate", "monaten", "mois", "mese", "mesi", "bulan"],
    ),
    (
        Unit::Year,
        &[
            "year", "years", "yr", "yrs", "año", "años", "jahr", "jahre", "jahren", "an", "ans", "ano", "anos", "anno",
            "anni", "tahun",
        ],
    ),
    (Unit::Percent, &["percent", "prozent", "persen"]),
    (
        Unit::Money,
        &["usd", "eur", "euro", "euros", "dollar", "dollars", "baht", "thb", "idr", "gbp", "aud", "dolares", "dólares"],
    ),
];

/// Units written without a space after them: symbols and scripts without word spaces.
const GLUED: &[(Unit, &[&str])] = &[
    (Unit::Percent, &["%", "％"]),
    (Unit::Celsius, &["°c", "º c", "° c", "ºc", "℃", "degrees c", "度", "องศา"]),
    (Unit::Fahrenheit, &["°f", "ºf", "° f", "℉", "degrees f"]),
    (Unit::Kilometre, &["キロメートル", "公里", "千米", "กิโลเมตร", "كيلومتر"]),
    (Unit::Metre, &["メートル", "米", "公尺", "เมตร", "متر", "أمتار"]),
    (Unit::Foot, &["フィート", "英尺", "呎", "ฟุต", "قدم", "أقدام"]),
    (Unit::Bar, &["バール", "气压", "บาร์", "بار"]),
    (Unit::Kilogram, &["キロ", "公斤", "千克", "กิโลกรัม", "كيلو"]),
    (Unit::Second, &["秒", "วินาที", "ثانية", "ثوان"]),
    (Unit::Minute, &["分钟", "分鐘", "分", "นาที", "دقيقة", "دقائق"]),
    (Unit::Hour, &["時間", "小时", "小時", "ชั่วโมง", "ชม", "ساعة", "ساعات"]),
    (Unit::Day, &["日間", "天", "วัน", "يوم", "أيام"]),
    (Unit::Week, &["週間", "周", "สัปดาห์", "أسبوع", "أسابيع"]),
    (Unit::Month, &["か月", "ヶ月", "个月", "個月", "เดือน", "شهر", "أشهر"]),
    (Unit::Year, &["歳", "才", "年", "岁", "歲", "ปี", "سنة", "سنوات", "عام"]),
    (Unit::Money, &["€", "$", "£", "¥", "฿", "円", "元", "บาท"]),
    (Unit::CubicFoot, &["cu ft", "cubic f"]),
];

/// The unit that folded text begins with, and its length in characters.
pub(crate) fn leading(text: &[char]) -> Option<(Unit, usize)> {
    let starts = |word: &str| -> Option<usize> {
        let length = word.chars().count();
        (text.get(..length)?.iter().copied().eq(word.chars())).then_some(length)
    };
    for (unit, words) in GLUED {
        if let Some(length) = words.iter().find_map(|word| starts(word)) {
            return Some((*unit, length));
        }
    }
    let length =
        text.iter().take_while(|c| c.is_alphabetic() && (c.is_ascii() || ('\u{c0}'..'\u{250}').contains(*c))).count();
    let word: String = text.get(..length)?.iter().collect();
    let (unit, _) = WORDS.iter().find(|(_, words)| words.contains(&word.as_str()))?;
    // "5 in Komodo" counts no inches, "2 a" nothing, "10 an" no years unless French says so; a short
    // word is a unit only where no other word follows it closely.
    let ambiguous = matches!(word.as_str(), "in" | "an" | "mi" | "mil" | "d" | "s");
    (!ambiguous || text.get(length).is_none_or(|c| !matches!(c, ' ' | '-'))).then_some((*unit, length))
}

/// Factor to the base unit of a kind, and the kind.
const fn scale(unit: Unit) -> Option<(u8, f64)> {
    Some(match unit {
        Unit::Metre => (0, 1.0),
        Unit::Foot => (0, 0.3048),
        Unit::Kilometre => (0, 1000.0),
        Unit::Mile => (0, 1609.344),
        Unit::Centimetre => (0, 0.01),
        Unit::Inch => (0, 0.0254),
        Unit::Millimetre => (0, 0.001),
        Unit::Bar => (1, 1.0),
        Unit::Psi => (1, 0.068_947_6),
        Unit::Kilogram => (2, 1.0),
        Unit::Pound => (2, 0.453_592_37),
        Unit::Litre => (3, 1.0),
        Unit::CubicFoot => (3, 28.316_85),
        Unit::Second => (4, 1.0),
        Unit::Minute => (4, 60.0),
        Unit::Hour => (4, 3600.0),
        Unit::Day => (4, 86_400.0),
        Unit::Week => (4, 604_800.0),
        Unit::Month => (5, 1.0),
        Unit::Year => (5, 12.0),
        _ => return None,
    })
}

/// `value` in another unit of the same kind.
pub(crate) fn convert(value: f64, from: Unit, to: Unit) -> Option<f64> {
    match (from, to) {
        (a, b) if a == b => return Some(value),
        (Unit::Celsius, Unit::Fahrenheit) => return Some(value * 1.8 + 32.0),
        (Unit::Fahrenheit, Unit::Celsius) => return Some((value - 32.0) / 1.8),
        _ => {}
    }
    let ((kind, factor), (other, divisor)) = (scale(from)?, scale(to)?);
    (kind == other).then_some(value * factor / divisor)
}

/// How far a rounded value may lie from the exact one: people round 59.06 ft to 60 ft and 2,901 psi to
/// 3,000 psi.
fn slack(exact: f64, unit: Unit) -> f64 {
    let exact = exact.abs();
    match unit {
        Unit::Foot => (exact * 0.02).max(1.01),
        Unit::Psi => exact * 0.04,
        Unit::Bar => (exact * 0.04).max(0.6),
        Unit::Fahrenheit => 1.01,
        Unit::Celsius => 0.6,
        Unit::Pound => (exact * 0.03).max(0.6),
        Unit::Kilogram => (exact * 0.03).max(0.3),
        // The same span of time must come out exactly.
        Unit::Second | Unit::Minute | Unit::Hour | Unit::Day | Unit::Week | Unit::Month | Unit::Year => 0.001,
        _ => (exact * 0.025).max(0.11),
    }
}

/// Whether `have` (from a passage) supports `want` (from an answer).
pub(crate) fn agree(have: f64, have_unit: Unit, want: f64, want_unit: Unit) -> bool {
    let same = (have - want).abs() < 1e-6;
    match (have_unit, want_unit) {
        (a, b) if a == b => same,
        (Unit::Bare, Unit::Money) | (Unit::Money, Unit::Bare) => false,
        // One of them did not say what it counts: the figure itself must be there.
        (Unit::Bare, _) | (_, Unit::Bare) => same,
        (a, b) => convert(have, a, b).is_some_and(|exact| (exact - want).abs() <= slack(exact, b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_roundings_agree() {
        for (m, ft) in
            [(5.0, 16.0), (5.0, 15.0), (12.0, 40.0), (18.0, 60.0), (18.0, 59.0), (30.0, 100.0), (40.0, 130.0)]
        {
            // 15 ft for 5 m is looser than a conversion; agencies print it, so it stands in the passage itself.
            assert_eq!(agree(m, Unit::Metre, ft, Unit::Foot), ft > 15.5, "{m} m, {ft} ft");
        }
        assert!(agree(200.0, Unit::Bar, 3000.0, Unit::Psi));
        assert!(agree(50.0, Unit::Bar, 700.0, Unit::Psi));
        assert!(agree(26.0, Unit::Celsius, 79.0, Unit::Fahrenheit));
        assert!(agree(24.0, Unit::Hour, 1.0, Unit::Day));
        assert!(!agree(18.0, Unit::Hour, 18.0, Unit::Day));
    }
}
