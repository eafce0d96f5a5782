//! `config show`.

use figment::Figment;

use crate::config::show;
use crate::output;

/// Prints every effective value with where it came from.
pub(crate) fn show(figment: &Figment, json: bool) {
    let values = show::effective(figment);
    if json {
        output::json(&values);
        return;
    }
    let mut rows = vec![vec!["key".to_owned(), "value".to_owned(), "from".to_owned()]];
    rows.extend(values.into_iter().map(|value| vec![value.key, value.value, value.from]));
    output::table(&rows);
}
