//! Which known name a mistyped one was meant to be. Pure; used by `config` for unknown options.

/// The one of `names` that `typed` most likely meant; none where nothing is near.
pub(super) fn nearest<'a>(typed: &str, names: &[&'a str]) -> Option<&'a str> {
    // A whole piece of exactly one name is a clear wish ("--play", "--viewers"), however much is missing.
    let mut holding = names.iter().filter(|name| typed.len() >= 3 && name.contains(typed));
    if let (Some(only), None) = (holding.next(), holding.next()) {
        return Some(only);
    }
    let (name, steps) = names.iter().map(|name| (*name, distance(typed, name))).min_by_key(|(_, steps)| *steps)?;
    // A slip in every third letter still looks like the word; more would be guessing.
    (steps <= name.len().div_ceil(3)).then_some(name)
}

/// Letters to insert, delete, replace or swap with their neighbour to get from `a` to `b` (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OPTIONS;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        for (typed, meant) in [
            ("htpp", "http"),
            ("bitrat", "bitrate"),
            ("bit-rate", "bitrate"),
            ("maxviewers", "max-viewers"),
            ("viewers", "max-viewers"),
            ("play", "playout-delay"),
            ("soruce", "source"),
            ("origin", "allow-origin"),
            ("upd", "udp"),
        ] {
            assert_eq!(nearest(typed, &OPTIONS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn what_resembles_nothing_is_not_guessed_at() {
        for typed in ["", "x", "daemonize", "password", &"x".repeat(5_000)] {
            assert_eq!(nearest(typed, &OPTIONS), None, "{typed}");
        }
    }

    #[test]
    fn distance_counts_single_slips() {
        for (a, b, steps) in [("", "udp", 3), ("kitten", "sitting", 3), ("ab", "ba", 1), ("fps", "fps", 0)] {
            assert_eq!((distance(a, b), distance(b, a)), (steps, steps), "{a} {b}");
        }
    }
}
