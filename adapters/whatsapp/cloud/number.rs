//! Telephone numbers as names of people.

/// Brazil's mobile numbers have nine digits after the area code since 2016. The platform still names older
/// accounts by eight, and may bring one person under both; the key has always nine.
pub(super) fn canonical(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    match (digits.get(..2), digits.get(2..4), digits.get(4..)) {
        (Some("55"), Some(area), Some(subscriber))
            if subscriber.len() == 8 && subscriber.starts_with(['6', '7', '8', '9']) =>
        {
            format!("55{area}9{subscriber}")
        }
        _ => digits,
    }
}

/// Whether a name of the platform is a number; otherwise it is the id of somebody who hides theirs.
pub(super) fn is_number(name: &str) -> bool {
    let digits = name.strip_prefix('+').unwrap_or(name);
    (5..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brazilian_mobile_has_one_name() {
        assert_eq!(canonical("551187654321"), "5511987654321");
        assert_eq!(canonical("5511987654321"), "5511987654321");
        assert_eq!(canonical("551133334444"), "551133334444", "a landline has eight");
        assert_eq!(canonical("+1 415 867 5309"), "14158675309");
        assert_eq!(canonical("4915112345678"), "4915112345678");
    }

    #[test]
    fn ids_of_people_without_a_number_are_no_numbers() {
        assert!(is_number("14158675309") && is_number("+14158675309"));
        for id in ["US.13491208655302741918", "", "1234", "user"] {
            assert!(!is_number(id), "{id}");
        }
    }
}
