//! Shows messages word by word in English, and what the glossary doesn't know of them, as a glossary's file stands now:
//! `cargo run -p dovvybuddy-agents --example gloss -- de src/agents/lexicon/gloss/de.tsv < messages.txt`

use std::io::BufRead as _;

use dovvybuddy_agents::Glossary;
use dovvybuddy_core::Lang;

#[allow(clippy::print_stdout, reason = "it is what the program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(code), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("give a language and the file of its glossary".into());
    };
    let lang = Lang::from_locale(&code).ok_or("this language has no glossary")?;
    let glossary = Glossary::read(std::fs::read_to_string(file)?.leak(), lang);
    for line in std::io::stdin().lock().lines() {
        let text = line?;
        let rendered = glossary.render(&text);
        println!("{text}\n    {}", rendered.english);
        if !rendered.left.is_empty() {
            println!("    left: {}", rendered.left.join(" "));
        }
    }
    Ok(())
}
