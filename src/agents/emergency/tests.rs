use super::*;

fn guard() -> RuleGuard {
    RuleGuard::load(None, &Operator::default()).unwrap()
}
