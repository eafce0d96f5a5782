//! The slash commands, registered with Discord in the languages that both of us speak. (Discord has no
//! Arabic interface.)

use std::time::Duration;

use dovvybuddy_core::intake::Intake;
use dovvybuddy_core::lang::Lang;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::Application;
use crate::api::{ApiError, Call};
use crate::desk::Desk;

/// How long registering may wait for its bucket.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest description.
const LONGEST_DESCRIPTION: usize = 100;
/// Discord's locales of our languages.
const LOCALES: [(Lang, &str); 12] = [
    (Lang::Es, "es-ES"),
    (Lang::Es, "es-419"),
    (Lang::De, "de"),
    (Lang::Fr, "fr"),
    (Lang::Pt, "pt-BR"),
    (Lang::It, "it"),
    (Lang::Id, "id"),
    (Lang::Ja, "ja"),
    (Lang::Th, "th"),
    (Lang::Zh, "zh-CN"),
    (Lang::Zh, "zh-TW"),
    (Lang::En, "en-GB"),
];

/// A command and its name in the order es, de, fr, pt, it, id, ja, th, zh.
struct Named {
    name: &'static str,
    elsewhere: [&'static str; 9],
}

const ORDER: [Lang; 9] = [Lang::Es, Lang::De, Lang::Fr, Lang::Pt, Lang::It, Lang::Id, Lang::Ja, Lang::Th, Lang::Zh];

#[rustfmt::skip]
const COMMANDS: [Named; 9] = [
    Named { name: "ask", elsewhere: ["preguntar", "frage", "question", "perguntar", "chiedi", "tanya", "質問", "ถาม", "提问"] },
    Named { name: "new", elsewhere: ["nuevo", "neu", "nouveau", "novo", "nuovo", "baru", "新規", "เริ่มใหม่", "新对话"] },
    Named { name: "profile", elsewhere: ["perfil", "profil", "profil", "perfil", "profilo", "profil", "プロフィール", "โปรไฟล์", "资料"] },
    Named { name: "sources", elsewhere: ["fuentes", "quellen", "sources", "fontes", "fonti", "sumber", "出典", "แหล่งที่มา", "来源"] },
    Named { name: "link", elsewhere: ["vincular", "verbinden", "lier", "vincular", "collega", "tautkan", "連携", "เชื่อมต่อ", "关联"] },
    Named { name: "privacy", elsewhere: ["privacidad", "datenschutz", "confidentialité", "privacidade", "privacy", "privasi", "プライバシー", "ความเป็นส่วนตัว", "隐私"] },
    Named { name: "export", elsewhere: ["exportar", "export", "exporter", "exportar", "esporta", "ekspor", "エクスポート", "ส่งออก", "导出"] },
    Named { name: "forget", elsewhere: ["olvidar", "vergessen", "oublier", "esquecer", "dimentica", "lupakan", "消去", "ลืม", "删除"] },
    Named { name: "help", elsewhere: ["ayuda", "hilfe", "aide", "ajuda", "aiuto", "bantuan", "ヘルプ", "ช่วยเหลือ", "帮助"] },
];

/// Replaces the registered commands by ours; the same ones again change nothing.
pub(crate) async fn register(desk: &Desk, intake: &Intake) -> Result<(), ApiError> {
    let application = match &desk.application {
        Some(id) => id.clone(),
        None => desk.api.get::<Application>("/applications/@me", PATIENCE).await?.id,
    };
    let body = definitions(|lang| intake.menu(lang));
    let path = format!("/applications/{application}/commands");
    let call = Call { method: Method::PUT, path: &path, body: Some(&body), spare: 0, patience: PATIENCE };
    desk.api.call(call).await.map(drop)
}

/// The commands as Discord takes them; `menu` gives names and descriptions in a language.
fn definitions(menu: impl Fn(Lang) -> Vec<(&'static str, String)>) -> Value {
    let menus: Vec<(Lang, Vec<(&'static str, String)>)> = Lang::ALL.map(|lang| (lang, menu(lang))).into();
    let describe = |name: &str, lang: Lang| -> String {
        let menu = menus.iter().find(|(of, _)| *of == lang).map(|(_, menu)| menu.as_slice()).unwrap_or_default();
        let text = menu.iter().find(|(of, _)| *of == name).map_or(name, |(_, text)| text);
        text.chars().take(LONGEST_DESCRIPTION).collect()
    };
    COMMANDS.iter().map(|command| definition(command, &describe)).collect()
}

fn definition(command: &Named, describe: &dyn Fn(&str, Lang) -> String) -> Value {
    const CHAT_INPUT: u8 = 1;
    const IN_GUILDS_AND_DIRECT_CHATS: [u8; 2] = [0, 1];
    let mut names = Map::new();
    let mut descriptions = Map::new();
    for (lang, locale) in LOCALES {
        if let Some(place) = ORDER.iter().position(|known| *known == lang)
            && let Some(name) = command.elsewhere.get(place)
        {
            names.insert(locale.to_owned(), (*name).into());
        }
        descriptions.insert(locale.to_owned(), describe(command.name, lang).into());
    }
    let option = |name: &str, required: bool, most: u32| {
        const STRING: u8 = 3;
        json!([{
            "type": STRING, "name": name, "description": describe(command.name, Lang::En),
            "description_localizations": descriptions.clone(), "required": required, "max_length": most,
        }])
    };
    let options = match command.name {
        "ask" => option("question", true, 2000),
        "link" => option("code", false, 40),
        _ => json!([]),
    };
    json!({
        "type": CHAT_INPUT, "name": command.name, "description": describe(command.name, Lang::En),
        "name_localizations": names, "description_localizations": descriptions,
        "options": options, "contexts": IN_GUILDS_AND_DIRECT_CHATS,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_what_discord_takes_and_differ_within_a_language() {
        for (place, lang) in ORDER.iter().enumerate() {
            let names: HashSet<&str> = COMMANDS.iter().map(|command| command.elsewhere[place]).collect();
            assert_eq!(names.len(), COMMANDS.len(), "{lang:?}");
            for name in names {
                assert!((1..=32).contains(&name.chars().count()), "{name}");
                assert_eq!(name, name.to_lowercase());
                assert!(!name.contains(' '), "{name}");
            }
        }
    }

    #[test]
    fn every_command_is_described_in_every_language_discord_has() {
        let menu = |lang: Lang| COMMANDS.iter().map(|c| (c.name, format!("{} {}", c.name, lang.code()))).collect();
        let all = definitions(menu);
        for command in all.as_array().unwrap() {
            for (lang, locale) in LOCALES {
                let text = command["description_localizations"][locale].as_str().unwrap();
                assert!(text.ends_with(lang.code()), "{text}");
            }
        }
        assert_eq!(all[0]["options"][0]["required"], true);
        assert_eq!(all[4]["options"][0]["required"], false);
    }
}
