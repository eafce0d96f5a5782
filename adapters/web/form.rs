//! Reading fields out of a JSON object, collecting everything that is wrong with them.

use serde_json::{Map, Value};

use crate::error::{ApiError, FieldError};

/// A JSON object whose fields are taken one by one. `null` counts as absent.
#[derive(Debug, Default)]
pub(crate) struct Form {
    fields: Map<String, Value>,
    path: String,
    errors: Vec<FieldError>,
}

impl Form {
    pub(crate) fn new(fields: Map<String, Value>) -> Self {
        Self { fields, path: String::new(), errors: Vec::new() }
    }

    /// Takes the first of `names` that is present; the name is the one the client used.
    fn take(&mut self, names: &[&'static str]) -> Option<(&'static str, Value)> {
        names.iter().find_map(|name| match self.fields.remove(*name) {
            None | Some(Value::Null) => None,
            Some(value) => Some((*name, value)),
        })
    }

    /// Notes that a field can't be used.
    pub(crate) fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: format!("{}{name}", self.path), message: message.into() });
    }

    /// Whether a field was found wrong already.
    pub(crate) fn complains_of(&self, name: &str) -> bool {
        self.errors.iter().any(|error| error.field.strip_prefix(&*self.path) == Some(name))
    }

    /// A string as it is.
    pub(crate) fn string(&mut self, names: &[&'static str]) -> Option<String> {
        match self.take(names)? {
            (_, Value::String(text)) => Some(text),
            (name, _) => {
                self.wrong(name, "must be a string");
                None
            }
        }
    }

    /// Text of 1 to `most` characters after trimming; blank counts as absent.
    pub(crate) fn text(&mut self, name: &'static str, most: usize) -> Option<String> {
        let text = self.string(&[name])?;
        let text = text.trim();
        if text.chars().count() > most {
            self.wrong(name, format!("must be at most {most} characters long"));
            return None;
        }
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// As [`Self::text`], and it must be there.
    pub(crate) fn required_text(&mut self, name: &'static str, most: usize) -> Option<String> {
        let text = self.text(name, most);
        if text.is_none() && !self.complains_of(name) {
            self.wrong(name, "is required");
        }
        text
    }

    /// A whole number between two bounds.
    pub(crate) fn whole_number(&mut self, name: &'static str, least: i64, most: i64) -> Option<i64> {
        let (name, value) = self.take(&[name])?;
        let number = value.as_i64().or_else(|| whole(value.as_f64()?));
        match number {
            Some(number) if (least..=most).contains(&number) => Some(number),
            Some(_) => {
                self.wrong(name, format!("must be between {least} and {most}"));
                None
            }
            None => {
                self.wrong(name, "must be a whole number");
                None
            }
        }
    }

    /// A yes or no; absent is no.
    pub(crate) fn flag(&mut self, name: &'static str) -> bool {
        match self.take(&[name]) {
            None => false,
            Some((_, Value::Bool(yes))) => yes,
            Some((name, _)) => {
                self.wrong(name, "must be true or false");
                false
            }
        }
    }

    /// An object.
    pub(crate) fn object(&mut self, names: &[&'static str]) -> Option<Map<String, Value>> {
        match self.take(names)? {
            (_, Value::Object(fields)) => Some(fields),
            (name, _) => {
                self.wrong(name, "must be an object");
                None
            }
        }
    }

    /// An object that must be there, as a form of its own; its errors go back by [`Self::absorb`].
    pub(crate) fn inner(&mut self, name: &'static str) -> Self {
        let fields = self.object(&[name]);
        if fields.is_none() && !self.complains_of(name) {
            self.wrong(name, "is required");
        }
        Self { fields: fields.unwrap_or_default(), path: format!("{}{name}.", self.path), errors: Vec::new() }
    }

    /// Takes over the errors of an inner form. Where the object itself was wrong, its fields are not
    /// complained about.
    pub(crate) fn absorb(&mut self, inner: Self) {
        let object = inner.path.trim_end_matches('.');
        if !self.errors.iter().any(|error| error.field == object) {
            self.errors.extend(inner.errors);
        }
    }

    /// Everything that was wrong, if anything was.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.errors)) }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "within ±2^53 a whole f64 is an exact i64")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(value: Value) -> Form {
        let Value::Object(fields) = value else { panic!("an object") };
        Form::new(fields)
    }

    fn fields(form: Form) -> Vec<String> {
        match form.finish() {
            Err(ApiError::Invalid(errors)) => errors.into_iter().map(|e| e.field).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_wrong_field_is_named_by_its_path() {
        let mut outer = form(json!({"type": 7, "data": {"name": "  ", "group_size": 2.5, "phone": {}}}));
        outer.string(&["type"]);
        let mut data = outer.inner("data");
        data.required_text("name", 100);
        data.whole_number("group_size", 1, 50);
        data.text("phone", 20);
        outer.absorb(data);
        assert_eq!(fields(outer), ["type", "data.name", "data.group_size", "data.phone"]);
    }

    #[test]
    fn a_missing_object_is_one_error() {
        let mut outer = form(json!({"data": []}));
        let mut data = outer.inner("data");
        data.required_text("name", 100);
        outer.absorb(data);
        assert_eq!(fields(outer), ["data"]);
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        let mut all = form(json!({"a": "潜".repeat(20), "b": "潜".repeat(21)}));
        assert!(all.text("a", 20).is_some());
        assert!(all.text("b", 20).is_none());
        assert_eq!(fields(all), ["b"]);
    }

    #[test]
    fn a_whole_float_is_a_whole_number() {
        let mut all = form(json!({"a": 4.0, "b": "4", "c": 1e300}));
        assert_eq!(all.whole_number("a", 1, 50), Some(4));
        all.whole_number("b", 1, 50);
        all.whole_number("c", 1, 50);
        assert_eq!(fields(all), ["b", "c"]);
    }
}
