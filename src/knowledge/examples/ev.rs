//! Scratch.
use dovvybuddy_knowledge::*;
use tokio_util::sync::CancellationToken;
#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let d = std::path::PathBuf::from(&args[1]);
    let mut config = KnowledgeConfig::new(vec![], "/tmp/kdata".into(), if args[2] == "hybrid" { Embeddings::Local } else { Embeddings::None });
    if let Some(x) = args.get(3) { config.fusion.meaning = x.parse().unwrap(); }
    if let Some(x) = args.get(4) { config.bm25.k1 = x.parse().unwrap(); }
    if let Some(x) = args.get(5) { config.bm25.b = x.parse().unwrap(); }
    if let Some(x) = args.get(6) { config.bm25.title = x.parse().unwrap(); }
    let r = eval_retrieval(&d.join("docs.jsonl"), &d.join("queries.jsonl"), &d.join("qrels.tsv"), config, &Silent, &CancellationToken::new()).await.unwrap();
    println!("{}", serde_json::to_string(&r).unwrap());
}
