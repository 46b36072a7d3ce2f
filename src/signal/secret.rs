//! A comparison that does not tell how far a guess was right. Used for the gate's word with the HTTP server and for the
//! Bearer token.

/// Whether both are equal, in a time that depends on the lengths alone.
pub(super) fn equal(a: &str, b: &str) -> bool {
    let differing = a.bytes().zip(b.bytes()).fold(0, |sum, (x, y)| std::hint::black_box(sum | (x ^ y)));
    a.len() == b.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_equals_itself_alone() {
        let (a, b) = ("0123456789abcdef", "0123456789abcdeg");
        assert!(equal(a, a) && !equal(a, b) && !equal(a, &a[..15]) && !equal("", a) && equal("", ""));
    }
}
