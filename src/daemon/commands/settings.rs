//! `config show`.

use crate::compose;
use crate::config::{Loaded, show};
use crate::output;

/// Prints every effective value with where it came from.
pub(crate) fn show(loaded: &Loaded, json: bool) {
    let mut values = show::effective(&loaded.figment);
    if loaded.config.llm.models.is_empty() {
        show::insert(&mut values, "llm.models", show::familiar_models(compose::variable));
    }
    if json {
        output::json(&values);
        return;
    }
    let mut rows = vec![vec!["key".to_owned(), "value".to_owned(), "from".to_owned()]];
    rows.extend(values.into_iter().map(|value| vec![value.key, value.value, value.from]));
    output::table(&rows);
}
