//! Reading the command line of a measuring tool: values with a sentence when they are wrong. Pure.

use lexopt::ValueExt;

/// The next value as text.
///
/// # Errors
/// A sentence.
pub fn text(arguments: &mut lexopt::Parser) -> Result<String, String> {
    arguments.value().and_then(ValueExt::string).map_err(|e| e.to_string())
}

/// The next value as whatever can be read from text; `what` names it in the sentence.
///
/// # Errors
/// A sentence.
pub fn parse<T: std::str::FromStr>(arguments: &mut lexopt::Parser, what: &str) -> Result<T, String> {
    let value = text(arguments)?;
    value.parse().map_err(|_| format!("{value} is no {what}"))
}
