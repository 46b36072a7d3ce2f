//! EDGE (file, with `--static-dir` only): the page's files, in the program or in a folder, and the headers they go
//! with. Knows nothing of WHEP. Called by `http`; the build id also goes to pages over the data channel.

use std::io::Read;
use std::path::Path;

use super::answer::Answer;

/// A file in the program.
struct Embedded {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! embedded {
    ($($name:literal: $content_type:literal,)*) => {
        &[$(Embedded {
            name: $name,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../../static/", $name)),
        }),*]
    };
}

/// The page's files; `/` is index.html.
const FILES: &[Embedded] = embedded! {
    "index.html": "text/html; charset=utf-8",
    "age.js": "text/javascript; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "backoff.js": "text/javascript; charset=utf-8",
    "bar.js": "text/javascript; charset=utf-8",
    "clock.js": "text/javascript; charset=utf-8",
    "counters.js": "text/javascript; charset=utf-8",
    "favicon.svg": "image/svg+xml",
    "heart.js": "text/javascript; charset=utf-8",
    "instrument.js": "text/javascript; charset=utf-8",
    "join.js": "text/javascript; charset=utf-8",
    "link.js": "text/javascript; charset=utf-8",
    "message.js": "text/javascript; charset=utf-8",
    "outage.js": "text/javascript; charset=utf-8",
    "panel.js": "text/javascript; charset=utf-8",
    "picture.js": "text/javascript; charset=utf-8",
    "run.js": "text/javascript; charset=utf-8",
    "screen.js": "text/javascript; charset=utf-8",
    "sdp.js": "text/javascript; charset=utf-8",
    "session.js": "text/javascript; charset=utf-8",
    "stages.js": "text/javascript; charset=utf-8",
    "stall.js": "text/javascript; charset=utf-8",
    "store.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "watchdog.js": "text/javascript; charset=utf-8",
    "whep.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
};

/// Hash (FNV-1a, 64 bits) of the page's files and the crate's version: when it differs, page and car are of
/// different builds. The page reads its own from `<meta name="windshield-build">`, as 16 hexadecimal digits.
#[allow(long_running_const_eval, reason = "the page is some 100 kB, hashed byte by byte by the compiler")]
pub const BUILD_ID: u64 = {
    let mut hash = fnv(0xcbf2_9ce4_8422_2325, env!("CARGO_PKG_VERSION").as_bytes());
    let mut at = 0;
    while at < FILES.len() {
        hash = fnv(hash, FILES[at].name.as_bytes());
        hash = fnv(hash, FILES[at].bytes);
        at += 1;
    }
    hash
};

const fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

/// Stands in index.html where the build id belongs.
const PLACEHOLDER: &str = "{{BUILD}}";
/// Bytes of a file in `--static-dir`; the gate takes no larger response.
const FILE_MAX: u64 = 7 * 1024 * 1024;
/// What the page may load and do: our own files and nothing else; `blob:` for a picture it makes itself. Nobody may
/// frame it, as a click on a framed page could drive the car.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Answers GET and HEAD for the page and its files; `folder` is `--static-dir`.
pub(super) fn serve(method: &str, path: &str, folder: Option<&Path>) -> Answer {
    match method {
        "GET" | "HEAD" => {}
        "OPTIONS" => return Answer::empty(204).with("Allow", "GET, HEAD, OPTIONS"),
        _ => return Answer::method_not_allowed("GET, HEAD, OPTIONS"),
    }
    let name = match path.strip_prefix('/') {
        Some("") => "index.html",
        Some(name) => name,
        None => return missing(),
    };
    let found = match folder {
        None => FILES.iter().find(|file| file.name == name).map(|file| (file.content_type, file.bytes.to_vec())),
        Some(folder) => read(folder, name).map(|bytes| (content_type(name), bytes)),
    };
    let Some((content_type, bytes)) = found else { return missing() };
    let bytes = if name == "index.html" { stamp(&bytes) } else { bytes };
    Answer::of(200, content_type, bytes)
}

/// Adds what the browser must know about every answer of ours.
pub(super) fn protect(answer: Answer) -> Answer {
    answer
        // An old page with a new car is worse than a page loaded twice.
        .with("Cache-Control", "no-store")
        .with("Content-Security-Policy", POLICY)
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
}

fn missing() -> Answer {
    Answer::sentence(404, "There is nothing here. The page is at / and the picture at /whep.")
}

/// index.html with the build id in its place.
fn stamp(html: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(html).replace(PLACEHOLDER, &format!("{BUILD_ID:016x}")).into_bytes()
}

/// A plain file right in the folder; its name cannot lead elsewhere, and neither can a link.
fn read(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if name.starts_with('.') || !name.bytes().all(plain) {
        return None;
    }
    let folder = folder.canonicalize().ok()?;
    let path = folder.join(name).canonicalize().ok()?;
    // Opening a FIFO would block for ever: look before.
    if path.parent() != Some(&folder) || !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_page_carries_the_build_id_of_the_program() {
        let answer = serve("GET", "/", None);
        assert_eq!(answer.status, 200);
        let html = String::from_utf8(answer.body.clone()).unwrap();
        assert!(html.contains(&format!("content=\"{BUILD_ID:016x}\"")), "{html}");
        assert!(!html.contains(PLACEHOLDER));
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(protect(answer.clone()).header("cache-control"), Some("no-store"));
        assert_eq!(serve("GET", "/index.html", None), answer);
    }

    #[test]
    fn every_embedded_file_is_there_under_its_name_and_the_hash_knows_them_all() {
        let mut all = env!("CARGO_PKG_VERSION").as_bytes().to_vec();
        for file in FILES {
            let answer = serve("GET", &format!("/{}", file.name), None);
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(file.content_type)), "{}", file.name);
            all.extend(file.name.bytes().chain(file.bytes.iter().copied()));
        }
        assert_eq!(BUILD_ID, fnv(0xcbf2_9ce4_8422_2325, &all));
        assert_eq!(fnv(0xcbf2_9ce4_8422_2325, b"a"), 0xaf63_dc4c_8601_ec8c, "FNV-1a's published value for \"a\"");
    }

    #[test]
    fn only_reading_is_allowed() {
        assert_eq!(serve("POST", "/", None).status, 405);
        assert_eq!(serve("DELETE", "/app.js", None).header("allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(serve("GET", "/nothing.js", None).status, 404);
        assert_eq!(serve("GET", "*", None).status, 404);
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let top = std::env::temp_dir().join(format!("windshield-page-{}", std::process::id()));
        let folder = top.join("static");
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        std::fs::write(top.join("secret.txt"), "secret").unwrap();
        std::fs::write(folder.join("app.js"), "// from the folder").unwrap();
        std::fs::write(folder.join("index.html"), "build {{BUILD}}").unwrap();
        std::fs::write(folder.join(".hidden"), "secret").unwrap();
        std::fs::write(folder.join("sub/deep.js"), "deep").unwrap();
        let _ = std::os::unix::fs::symlink("../secret.txt", folder.join("link.txt"));
        let get = |path: &str| serve("GET", path, Some(&folder));
        assert_eq!(get("/app.js").body, b"// from the folder");
        assert_eq!(get("/").body, format!("build {BUILD_ID:016x}").into_bytes());
        for path in [
            "/../secret.txt",
            "/..%2fsecret.txt",
            "/%2e%2e/secret.txt",
            "/..\\secret.txt",
            "//secret.txt",
            "/./app.js",
            "/sub/deep.js",
            "/sub",
            "/..",
            "/.",
            "/.hidden",
            "/link.txt",
            "/style.css",
            "/app.js\0.txt",
        ] {
            assert_eq!(get(path).status, 404, "{path}");
        }
        std::fs::remove_dir_all(&top).unwrap();
    }
}
