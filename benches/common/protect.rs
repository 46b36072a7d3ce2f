//! Stage `protect`: SRTP of a packet with a back end's ciphers, as the engine does it for each packet it sends (RFC 3711,
//! RFC 7714): a new buffer, the header copied, the payload encrypted, the tag behind it. Keys are fixed: no count depends
//! on them.

use str0m::config::CryptoProvider;
use str0m::crypto::{
    AeadAes128Gcm, AeadAes128GcmCipher, AeadAes256Gcm, AeadAes256GcmCipher, Aes128CmSha1_80, Aes128CmSha1_80Cipher,
};

/// Bytes of an RTP header as we send it: the fixed part, mid and playout delay.
const HEADER: usize = 12 + 12;

/// Room that aws-lc's counter mode wants behind the text, as the engine gives it.
const COUNTER_ROOM: usize = 15;

const SSRC: u32 = 0x5eed_1234;

/// Profiles that browsers negotiate.
#[derive(Debug, Clone, Copy)]
pub enum Profile {
    Cm128,
    Gcm128,
    Gcm256,
}

impl Profile {
    pub const ALL: [Self; 3] = [Self::Cm128, Self::Gcm128, Self::Gcm256];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Cm128 => "AES-128-CM-SHA1-80",
            Self::Gcm128 => "AES-128-GCM",
            Self::Gcm256 => "AES-256-GCM",
        }
    }
}

enum Cipher {
    Cm128(Box<dyn Aes128CmSha1_80Cipher>),
    Gcm128(Box<dyn AeadAes128GcmCipher>),
    Gcm256(Box<dyn AeadAes256GcmCipher>),
}

/// One session's sending half.
pub struct Protector<'a> {
    provider: &'a CryptoProvider,
    cipher: Cipher,
    index: u64,
}

impl<'a> Protector<'a> {
    pub fn new(provider: &'a CryptoProvider, profile: Profile) -> Self {
        let srtp = provider.srtp_provider;
        let cipher = match profile {
            Profile::Cm128 => Cipher::Cm128(srtp.aes_128_cm_sha1_80().create_cipher([0x2b; 16], true)),
            Profile::Gcm128 => Cipher::Gcm128(srtp.aead_aes_128_gcm().create_cipher([0x2b; 16], true)),
            Profile::Gcm256 => Cipher::Gcm256(srtp.aead_aes_256_gcm().create_cipher([0x2b; 32], true)),
        };
        Self { provider, cipher, index: 1 }
    }

    /// `packet` is header and payload; what comes back goes on the wire.
    pub fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        self.index += 1;
        let (header, text) = packet.split_at(HEADER);
        let (roc, seq) = ((self.index >> 16) as u32, self.index as u16);
        match &mut self.cipher {
            Cipher::Cm128(cipher) => {
                let mut out = vec![0; packet.len() + COUNTER_ROOM];
                let iv = Aes128CmSha1_80::rtp_iv([0x51; 14], SSRC, self.index);
                cipher.encrypt(&iv, text, &mut out[HEADER..]).expect("room for the text");
                out[..HEADER].copy_from_slice(header);
                let hmac = |key: &[u8], parts: &[&[u8]]| self.provider.sha1_hmac_provider.sha1_hmac(key, parts);
                Aes128CmSha1_80::rtp_hmac(hmac, &[0x77; 20], &mut out, self.index, packet.len());
                out.truncate(packet.len() + Aes128CmSha1_80::HMAC_TAG_LEN);
                out
            }
            Cipher::Gcm128(cipher) => {
                let mut out = vec![0; packet.len() + AeadAes128Gcm::TAG_LEN];
                let iv = AeadAes128Gcm::rtp_iv([0x51; 12], SSRC, roc, seq);
                cipher.encrypt(&iv, header, text, &mut out[HEADER..]).expect("room for text and tag");
                out[..HEADER].copy_from_slice(header);
                out
            }
            Cipher::Gcm256(cipher) => {
                let mut out = vec![0; packet.len() + AeadAes256Gcm::TAG_LEN];
                let iv = AeadAes256Gcm::rtp_iv([0x51; 12], SSRC, roc, seq);
                cipher.encrypt(&iv, header, text, &mut out[HEADER..]).expect("room for text and tag");
                out[..HEADER].copy_from_slice(header);
                out
            }
        }
    }
}

/// A packet of the greatest length we send, as the engine hands it to SRTP.
pub fn packet() -> Vec<u8> {
    let mut packet = super::access_unit(false, HEADER + windshield::link::packetize::MAX_PAYLOAD);
    packet[..HEADER].fill(0x90);
    packet
}
