use super::*;
use crate::testing::{Keys, Kept, brief, passage};
use crate::text::terms;
#[tokio::test]
async fn look() {
    let mut sections = Vec::new();
    let mut stack = vec![std::path::PathBuf::from("/work/main/content")];
    while let Some(dir) = stack.pop() {
        for e in std::fs::read_dir(dir).unwrap().flatten() {
            let p = e.path();
            if p.is_dir() { stack.push(p); continue; }
            if p.extension().is_none_or(|x| x != "md") { continue; }
            let text = std::fs::read_to_string(&p).unwrap();
            let Some((front, body)) = text.trim_start_matches("---\n").split_once("\n---\n") else { continue };
            let title = front.lines().find_map(|l| l.strip_prefix("title: ")).unwrap_or("").trim_matches('"').to_owned();
            for part in body.split("\n## ").skip(1) {
                let (head, rest) = part.split_once('\n').unwrap_or((part, ""));
                let mut x = passage(&title, head, rest, 0.0);
                x.source = p.display().to_string();
                sections.push(x);
            }
        }
    }
    let sets: Vec<_> = sections.iter().map(|s| (terms::term_set(&s.text), terms::term_set(&format!("{} {}", s.title, s.section)))).collect();
    let mut df: std::collections::HashMap<String, f32> = Default::default();
    for (a, b) in &sets { for t in a.union(b) { *df.entry(t.clone()).or_default() += 1.0; } }
    let n = sections.len() as f32;
    for q in std::fs::read_to_string("/tmp/llm_questions.txt").unwrap().lines() {
        let qt = terms::term_set(q);
        let mut scored: Vec<(f32, usize)> = sets.iter().enumerate().map(|(i, (a, b))| (qt.iter().map(|t| { let idf = (1.0 + n / df.get(t).copied().unwrap_or(n)).ln(); idf * (f32::from(u8::from(a.contains(t))) + f32::from(u8::from(b.contains(t)))) }).sum::<f32>(), i)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let best = scored[0].0;
        let ps: Vec<_> = scored.iter().take(5).map(|(s, i)| { let mut p = sections[*i].clone(); p.score = 0.7 * s / best; p }).collect();
        let b = brief(q, ps);
        let kept = Kept::default();
        let a = Extractive::new(std::sync::Arc::new(Keys)).answer(&b, &kept).await;
        println!("Q: {q}\n   {}\n", a.text);
    }
}
