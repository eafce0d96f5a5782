//! Lists as comma-separated values or as lines of JSON.

use serde_json::Value;

/// Rows as CSV (RFC 4180), with the first row's fields as the head.
pub(crate) fn csv(fields: &[&str], rows: &[Value]) -> String {
    let mut text = fields.join(",");
    text.push_str("\r\n");
    for row in rows {
        let cells: Vec<String> = fields.iter().map(|field| cell(&row[*field])).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// Rows as one JSON text a line.
pub(crate) fn lines(rows: &[Value]) -> String {
    let mut text = String::new();
    for row in rows {
        text.push_str(&row.to_string());
        text.push('\n');
    }
    text
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // A spreadsheet runs what begins like a formula.
    let formula = value.is_string() && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_stay_words() {
        let rows = [json!({"a": "x,\"y\"\nz", "b": -3, "c": null}), json!({"a": "=1+1", "b": [1], "c": true})];
        assert_eq!(csv(&["a", "b", "c"], &rows), "a,b,c\r\n\"x,\"\"y\"\"\nz\",-3,\r\n'=1+1,[1],true\r\n");
        assert_eq!(lines(&rows[1..]), "{\"a\":\"=1+1\",\"b\":[1],\"c\":true}\n");
    }
}
