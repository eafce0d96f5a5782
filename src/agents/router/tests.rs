use super::*;

#[test]
fn weights_survive_being_written_and_read() {
    let model = Model::parse(WEIGHTS);
    assert!(model.weights.len() > 100);
    assert_eq!(Model::parse(&model.to_tsv()), model);
}
