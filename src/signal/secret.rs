//! EDGE: random. Names and passwords nobody can guess, and a comparison that does not tell how far a guess was right.
//! Used by the gate (its word with the HTTP server) and by WHEP (the Bearer token).

use std::fs::File;
use std::io::{self, Read};

/// 128 random bits as 32 hexadecimal digits.
///
/// # Errors
/// When `/dev/urandom` cannot be read, as a sentence.
pub(super) fn hex() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| io::Error::new(e.kind(), format!("cannot read random bytes from /dev/urandom: {e}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether both are equal, in a time that depends on the lengths alone.
pub(super) fn equal(a: &str, b: &str) -> bool {
    let differing = a.bytes().zip(b.bytes()).fold(0, |sum, (x, y)| std::hint::black_box(sum | (x ^ y)));
    a.len() == b.len() && differing == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn two_secrets_differ_and_each_equals_itself_alone() {
        let (a, b) = (hex().unwrap(), hex().unwrap());
        assert_eq!(a.len(), 32);
        assert!(equal(&a, &a) && !equal(&a, &b) && !equal(&a, &a[..31]) && !equal("", &a) && equal("", ""));
    }
}
