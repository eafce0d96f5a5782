//! The buttons under an answer, in every language divers write.

use std::collections::HashSet;

use dovvybuddy_fakes::telegram::Person;

use super::Both;
use crate::support::root;
use crate::telegram;

/// The same question in each language.
const QUESTIONS: [(&str, &str); 11] = [
    ("en", "How deep can a PADI Open Water Diver go?"),
    ("es", "¿Hasta qué profundidad puede bajar un Open Water Diver de PADI?"),
    ("de", "Wie tief darf ein PADI Open Water Diver tauchen?"),
    ("fr", "Jusqu'à quelle profondeur peut descendre un PADI Open Water Diver ?"),
    ("pt", "Até que profundidade pode descer um PADI Open Water Diver?"),
    ("it", "Fino a che profondità può scendere un PADI Open Water Diver?"),
    ("id", "Seberapa dalam PADI Open Water Diver boleh menyelam?"),
    ("ja", "PADIのオープン・ウォーター・ダイバーは何メートルまで潜れますか？"),
    ("th", "นักดำน้ำ PADI Open Water Diver ดำได้ลึกแค่ไหน?"),
    ("ar", "ما أقصى عمق يمكن أن يصل إليه غواص PADI Open Water Diver؟"),
    ("zh", "PADI Open Water Diver 可以潜到多深？"),
];

/// What stands on the buttons, from the prompt files: the words that a diver may say next in a language.
fn next_questions(lang: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("prompts/certification.md")).unwrap();
    let (_, section) = text.split_once("\nnext_questions:\n").expect("the section");
    let line = section.lines().find_map(|line| line.strip_prefix(&format!("  {lang}: "))).expect("the language");
    serde_json::from_str(line).expect("a list")
}

#[tokio::test]
async fn what_may_be_asked_next_is_a_button_in_the_divers_own_words() {
    let both = Both::new().await;
    let daemon = both.start().await;
    let mut connects = HashSet::new();
    for (n, (lang, question)) in (1..).zip(QUESTIONS) {
        let diver = Person::new(100 + n, "Ada", lang);
        let place = both.telegram.private(&diver);
        let answer = telegram::ask(&both.telegram, place, &diver, question).await;
        let button = |of: &str| answer.buttons.iter().find(|(_, data)| data.starts_with(of)).cloned();
        let (label, data) = button("follow:").unwrap_or_else(|| panic!("{lang}: no button under {answer:#?}"));
        assert!(next_questions(lang).contains(&label), "{lang}: {label}");
        assert!(data.len() <= 64, "{lang}: {data}");
        let (connect, _) = button("connect").unwrap_or_else(|| panic!("{lang}: nobody to turn to: {answer:#?}"));
        assert!(connects.insert(connect.clone()), "{lang}: {connect} stands under another language's answer too");

        let query = telegram::press(&both.telegram, &diver, &answer, "follow:");
        telegram::answered(&both.telegram, &query).await;
        let next = telegram::messages(&both.telegram, place, 2).await.pop().unwrap();
        assert!(next.buttons.iter().any(|(label, _)| *label == connect), "{lang}: answered in its language: {next:#?}");
        assert!(!next.buttons.iter().any(|(again, _)| *again == label), "{lang}: what was asked is not offered again");
    }
    daemon.kill().await;
}
