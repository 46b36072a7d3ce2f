//! EDGE: randomness from the kernel, for names that nobody may guess: session ids, the key between gate and server.

/// `2 * N` hexadecimal digits from the kernel's generator (getrandom(2)).
///
/// # Panics
/// If the kernel has no randomness to give, which Linux since 3.17 does not do once booted; going on with guessable
/// session names would be worse.
pub fn hex<const N: usize>() -> String {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("getrandom(2) answers on every Linux this program runs on");
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
