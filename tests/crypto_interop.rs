//! The link's cryptography and another implementation of it (aws-lc, in C) understand each other: whole sessions of two
//! engines in virtual time, and each cipher byte for byte. Browsers are a third, outside of this file.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::media::{MediaKind, Pt};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use windshield::link::Crypto;

fn ours() -> (Arc<CryptoProvider>, DtlsCert) {
    let crypto = Crypto::new(Instant::now()).unwrap();
    (crypto.provider, crypto.certificate)
}

fn theirs() -> (Arc<CryptoProvider>, DtlsCert) {
    let provider = str0m_aws_lc_rs::default_provider();
    let certificate = provider.dtls_provider.generate_certificate().unwrap();
    (Arc::new(provider), certificate)
}

/// One engine and what it has received.
struct Side {
    rtc: Rtc,
    address: SocketAddr,
    connected: bool,
    received: Vec<Vec<u8>>,
}

/// A connected pair on a perfect wire. `sides[0]` waits for the handshake, `sides[1]` begins it.
struct Pair {
    sides: [Side; 2],
    wire: VecDeque<Transmit>,
    now: Instant,
}

const SSRC: [u32; 2] = [1111, 2222];

impl Pair {
    fn new(crypto: [(Arc<CryptoProvider>, DtlsCert); 2], version: DtlsVersion) -> Self {
        let now = Instant::now();
        let mut port = 5000;
        let mut sides = crypto.map(|(provider, certificate)| {
            port += 1;
            let rtc = RtcConfig::new()
                .set_crypto_provider(provider)
                .set_dtls_cert(certificate)
                .set_dtls_version(version)
                .set_rtp_mode(true)
                .build(now);
            Side { rtc, address: ([10, 0, 0, 1], port).into(), connected: false, received: Vec::new() }
        });
        let known = sides.each_mut().map(|side| {
            let direct = side.rtc.direct_api();
            (direct.local_dtls_fingerprint().clone(), direct.local_ice_credentials(), side.address)
        });
        for (i, side) in sides.iter_mut().enumerate() {
            let (fingerprint, credentials, address) = known[1 - i].clone();
            side.rtc.add_local_candidate(Candidate::host(side.address, "udp").unwrap());
            side.rtc.add_remote_candidate(Candidate::host(address, "udp").unwrap());
            let mut direct = side.rtc.direct_api();
            direct.set_remote_fingerprint(fingerprint);
            direct.set_remote_ice_credentials(credentials);
            direct.set_ice_controlling(i == 1);
            direct.start_dtls(i == 1).unwrap();
            direct.declare_media("vid".into(), MediaKind::Video);
            direct.declare_stream_tx(Ssrc::from(SSRC[i]), None, "vid".into(), None);
            direct.expect_stream_rx(Ssrc::from(SSRC[1 - i]), None, "vid".into(), None);
        }
        Self { sides, wire: VecDeque::new(), now }
    }

    /// Lets virtual time pass until `done` or the end.
    fn run(&mut self, end: Instant, done: impl Fn(&[Side; 2]) -> bool) -> bool {
        while self.now < end {
            let mut next = self.now + Duration::from_secs(1);
            for side in &mut self.sides {
                side.rtc.handle_input(Input::Timeout(self.now)).unwrap();
                loop {
                    match side.rtc.poll_output().unwrap() {
                        Output::Timeout(at) => break next = next.min(at),
                        Output::Transmit(transmit) => self.wire.push_back(transmit),
                        Output::Event(Event::Connected) => side.connected = true,
                        Output::Event(Event::RtpPacket(packet)) => side.received.push(packet.payload.to_vec()),
                        Output::Event(_) => {}
                    }
                }
            }
            if done(&self.sides) {
                return true;
            }
            let idle = self.wire.is_empty();
            for Transmit { source, destination, contents, .. } in self.wire.drain(..) {
                let contents = (&contents[..]).try_into().unwrap();
                let to = self.sides.iter_mut().find(|side| side.address == destination).unwrap();
                to.rtc
                    .handle_input(Input::Receive(
                        self.now,
                        Receive { proto: Protocol::Udp, source, destination, contents },
                    ))
                    .unwrap();
            }
            if idle {
                self.now = next.max(self.now + Duration::from_millis(1));
            }
        }
        false
    }

    fn send(&mut self, from: usize, number: u64, payload: &[u8]) {
        let pt = Pt::from(108);
        let write = RtpWrite::new(pt, number.into(), number as u32 * 3000, self.now, payload);
        let mut direct = self.sides[from].rtc.direct_api();
        direct.stream_tx(&Ssrc::from(SSRC[from])).unwrap().write_rtp(write);
    }
}

/// Bytes that are different in each packet and place.
fn payload(from: usize, number: usize) -> Vec<u8> {
    let length = [1, 15, 16, 17, 64, 1000, 1100][number % 7];
    (0..length).map(|i| (i * 31 + number * 7 + from * 101) as u8).collect()
}

#[test]
fn sessions_with_another_implementation_connect_and_carry_pictures_both_ways() {
    for version in [DtlsVersion::Dtls12, DtlsVersion::Auto, DtlsVersion::Dtls13] {
        for we_begin in [false, true] {
            let mut crypto = [ours(), theirs()];
            if we_begin {
                crypto.reverse();
            }
            let mut pair = Pair::new(crypto, version);
            let end = pair.now + Duration::from_secs(5);
            let what = format!("{version}, we begin: {we_begin}");
            assert!(pair.run(end, |sides| sides.iter().all(|side| side.connected)), "not connected: {what}");

            let expected = [0, 1].map(|from| (0..40).map(|number| payload(from, number)).collect::<Vec<_>>());
            for number in 0..40 {
                for (from, payloads) in expected.iter().enumerate() {
                    // Over the end of the sequence numbers, where the roll-over counter enters the cipher.
                    pair.send(from, 65_516 + number as u64, &payloads[number]);
                }
                let soon = pair.now + Duration::from_millis(20);
                pair.run(soon, |_| false);
            }
            for (to, side) in pair.sides.iter().enumerate() {
                assert_eq!(side.received, expected[1 - to], "{what}, side {to}");
            }
        }
    }
}

/// Repeatable noise.
fn noise(seed: &mut u64, length: usize) -> Vec<u8> {
    std::iter::repeat_with(|| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 56) as u8
    })
    .take(length)
    .collect()
}

#[test]
fn every_cipher_and_hash_gives_the_bytes_of_another_implementation() {
    let ((ours, _), (theirs, _)) = (ours(), theirs());
    let mut seed = 1;
    for length in (0..80).chain([255, 256, 1023, 1200, 5000]) {
        let key: [u8; 32] = noise(&mut seed, 32).try_into().unwrap();
        let short = *key.first_chunk().unwrap();
        let iv: [u8; 16] = noise(&mut seed, 16).try_into().unwrap();
        let nonce = *iv.first_chunk().unwrap();
        let (aad, text) = (noise(&mut seed, 20), noise(&mut seed, length));

        let mut sealed = [ours.clone(), theirs.clone()].map(|provider| {
            let srtp = provider.srtp_provider;
            let mut counter = vec![0; length + 15];
            srtp.aes_128_cm_sha1_80().create_cipher(short, true).encrypt(&iv, &text, &mut counter).unwrap();
            counter.truncate(length);
            let mut small = vec![0; length + 16];
            srtp.aead_aes_128_gcm().create_cipher(short, true).encrypt(&nonce, &aad, &text, &mut small).unwrap();
            let mut large = vec![0; length + 16];
            srtp.aead_aes_256_gcm().create_cipher(key, true).encrypt(&nonce, &aad, &text, &mut large).unwrap();
            let mut derived = [vec![0; 32], vec![0; 32]];
            srtp.srtp_aes_128_ecb_round(&short, &iv, &mut derived[0]);
            srtp.srtp_aes_256_ecb_round(&key, &iv, &mut derived[1]);
            derived.iter_mut().for_each(|block| block.truncate(16));
            let hashes = vec![
                provider.sha1_provider.sha1(&text).to_vec(),
                provider.sha256_provider.sha256(&text).to_vec(),
                provider.sha1_hmac_provider.sha1_hmac(&key[..20], &[&aad, &text]).to_vec(),
            ];
            [vec![counter, small, large], derived.to_vec(), hashes].concat()
        });
        assert_eq!(sealed[0], sealed[1], "{length} bytes");

        // Theirs opened by ours.
        let srtp = ours.srtp_provider;
        let mut opened = vec![0; length + 15];
        srtp.aes_128_cm_sha1_80().create_cipher(short, false).decrypt(&iv, &sealed[1][0], &mut opened).unwrap();
        assert_eq!(opened[..length], text);
        let mut cipher = srtp.aead_aes_256_gcm().create_cipher(key, false);
        opened.truncate(length);
        assert_eq!(cipher.decrypt(&nonce, &[&aad], &sealed[1][2], &mut opened).unwrap(), length);
        assert_eq!(opened, text);
        *sealed[1][2].last_mut().unwrap() ^= 0x80;
        assert!(cipher.decrypt(&nonce, &[&aad], &sealed[1][2], &mut opened).is_err(), "a changed tag passed");
    }
}
