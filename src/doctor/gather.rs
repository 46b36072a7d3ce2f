//! EDGE: finds out the facts: from /sys and /proc, from the devices, and from `iw`, `ping` and `vcgencmd` where they are
//! installed. Decides nothing; what is not there or cannot be understood is absent. `main` calls [`gather`] once.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::facts::{BootConfig, Facts, Link, Node, Ping, Port, Tool, Wifi};
use super::{Options, node, probe};
use crate::board::{self, Throttled};

/// Where programs for administrators are, which an ordinary user's PATH lacks on Debian.
const SBIN: &str = "/usr/sbin:/sbin:/usr/local/sbin";

/// How long a program on this machine has to answer on loopback.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything about this machine, and about the way to the addresses named. Takes seconds if one is.
pub fn gather(options: &Options) -> Facts {
    let iw = if run("iw", &["--version"]).is_some() { Tool::There } else { Tool::Missing };
    let tcp = tcp_port(options.port);
    let ping_of = |address| (address, ping(address));
    let peer = options.peer.map(ping_of);
    // Only to tell "the peer is hidden" from "nothing works".
    let silent = matches!(peer, Some((_, Ping::Silent)));
    Facts {
        model: first_line("/proc/device-tree/model"),
        kernel: first_line("/proc/sys/kernel/osrelease").unwrap_or_default(),
        boot_config: boot_config(),
        nodes: nodes(),
        rpicam: ["rpicam-vid", "libcamera-vid"].into_iter().find(|name| installed(name)).map(String::from),
        wifi: wifi(),
        iw,
        country: run("iw", &["reg", "get"]).and_then(|text| country(&text)),
        radio_blocked: radio_blocked(),
        governor: first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        throttled: throttled(),
        memory: fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory(&text)),
        port: options.port,
        udp: udp_port(options.port, &tcp),
        tcp,
        peer,
        router: silent.then(router).flatten().map(ping_of),
        round_trips: options
            .udp
            .map(|to| probe::measure(to).map_err(|error| format!("no datagram can be sent to {to}: {error}"))),
    }
}

/// The first line of a file of the kernel, without the zero byte that the device tree puts behind its words.
fn first_line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().next()?.trim_matches(['\0', ' ']).to_owned();
    (!line.is_empty()).then_some(line)
}

/// Output of a program if it is there and content.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    // The search for the program itself uses this PATH too; no language but the one that is parsed here.
    command.args(arguments).env("PATH", format!("{path}:{SBIN}")).env("LC_ALL", "C");
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn installed(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/bin").split(':').any(|folder| !folder.is_empty() && Path::new(folder).join(program).is_file())
}

fn boot_config() -> Option<BootConfig> {
    ["/boot/firmware/config.txt", "/boot/config.txt"].into_iter().find_map(|path| {
        // Since Debian 12 the old place holds a note about the new one.
        let text = fs::read_to_string(path).ok()?;
        Some(BootConfig { path: path.into(), text })
    })
}

fn nodes() -> Vec<Node> {
    let Ok(entries) = fs::read_dir("/sys/class/video4linux") else { return Vec::new() };
    let mut numbers: Vec<u32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.strip_prefix("video")?.parse().ok()).collect();
    numbers.sort_unstable();
    let known = |number: u32| {
        let folder = format!("/sys/class/video4linux/video{number}");
        let driver = fs::read_link(format!("{folder}/device/driver")).ok();
        let driver = driver.and_then(|link| Some(link.file_name()?.to_string_lossy().into_owned()));
        Node {
            path: format!("/dev/video{number}"),
            driver: driver.unwrap_or_default(),
            card: first_line(&format!("{folder}/name")).unwrap_or_default(),
            capabilities: None,
        }
    };
    numbers.into_iter().map(|number| node::ask(known(number))).collect()
}

fn wifi() -> Vec<Wifi> {
    let Ok(entries) = fs::read_dir("/sys/class/net") else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("phy80211").exists() || entry.path().join("wireless").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| Wifi {
            power_save: run("iw", &["dev", &name, "get", "power_save"]).and_then(|text| power_save(&text)),
            link: run("iw", &["dev", &name, "link"]).and_then(|text| link(&text)),
            name,
        })
        .collect()
}

/// `Power save: on`
fn power_save(text: &str) -> Option<bool> {
    match text.trim().strip_prefix("Power save:")?.trim() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// `iw dev wlan0 link`; none when not connected.
fn link(text: &str) -> Option<Link> {
    let field = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key));
    let number = |key: &str| field(key)?.split_whitespace().next().map(String::from);
    text.trim_start().starts_with("Connected to").then(|| Link {
        rate_mbit: number("tx bitrate:").and_then(|text| text.parse().ok()),
        signal_dbm: number("signal:").and_then(|text| text.parse().ok()),
        // Some versions write 2437.0.
        frequency_mhz: number("freq:").and_then(|text| text.split('.').next()?.parse().ok()),
    })
}

/// `country DE: DFS-ETSI`: of a radio that manages itself if there is one, else the global one.
fn country(text: &str) -> Option<String> {
    let code = |line: &str| Some(line.trim().strip_prefix("country ")?.split(':').next()?.to_owned());
    text.lines().filter_map(code).next_back()
}

fn radio_blocked() -> bool {
    let Ok(entries) = fs::read_dir("/sys/class/rfkill") else { return false };
    entries.flatten().any(|entry| {
        let read = |name| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        read("type").trim() == "wlan" && read("soft").trim() == "1"
    })
}

fn throttled() -> Option<u32> {
    let ask = || Throttled::parse(run("vcgencmd", &["get_throttled"])?.trim().strip_prefix("throttled=")?);
    // The kernel's number may be old.
    ask().or_else(|| board::throttled(Path::new("/"))).map(|bits| bits.0)
}

/// Available and total, KiB.
fn memory(text: &str) -> Option<(u64, u64)> {
    let field = |key: &str| {
        text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix("kB")?.trim().parse().ok())
    };
    Some((field("MemAvailable:")?, field("MemTotal:")?))
}

fn tcp_port(port: u16) -> Port {
    // As the program itself does: all addresses, IPv4 alone where there is no IPv6.
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).or_else(|error| match error.kind() {
        ErrorKind::AddrInUse => Err(error),
        _ => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)),
    }) {
        Ok(_) => Port::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_windshield(port) => Port::Ours,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Port::Taken,
        Err(error) => Port::Unknown(error.to_string()),
    }
}

fn udp_port(port: u16, tcp: &Port) -> Port {
    match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).or_else(|error| match error.kind() {
        ErrorKind::AddrInUse => Err(error),
        _ => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)),
    }) {
        Ok(_) => Port::Free,
        // Whoever serves our page on this number also has its UDP port.
        Err(error) if error.kind() == ErrorKind::AddrInUse && *tcp == Port::Ours => Port::Ours,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Port::Taken,
        Err(error) => Port::Unknown(error.to_string()),
    }
}

/// Whether the one who listens answers like this program: `/stats` with a field that only it has.
fn is_windshield(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(stream, "GET /stats HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        // Who talks for ever is not us.
        stream.take(64 * 1024).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains("\"viewers_admitted\""))
}

/// The router of the IPv4 default route, from /proc/net/route.
fn router() -> Option<IpAddr> {
    default_route(&fs::read_to_string("/proc/net/route").ok()?)
}

fn default_route(text: &str) -> Option<IpAddr> {
    text.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (destination, gateway) = (fields.get(1)?, fields.get(2)?);
        // Eight hex digits: the four bytes as a number in this machine's order.
        let gateway = u32::from_str_radix(gateway, 16).ok().filter(|gateway| *gateway != 0)?;
        (*destination == "00000000").then(|| Ipv4Addr::from(gateway.to_ne_bytes()).into())
    })
}

fn ping(address: IpAddr) -> Ping {
    let path = std::env::var("PATH").unwrap_or_default();
    // 0.2 s is the shortest pause that ordinary users may ask for.
    let arguments = ["-n", "-q", "-c", "10", "-i", "0.2", "-w", "4", &address.to_string()];
    let output = Command::new("ping")
        .args(arguments)
        .env("PATH", format!("{path}:{SBIN}"))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => answers(&String::from_utf8_lossy(&output.stdout)),
        Err(_) => Ping::Impossible,
    }
}

/// Reads the last lines of `ping`, of iputils and of busybox.
fn answers(text: &str) -> Ping {
    let Some(sum) = text.lines().find(|line| line.contains("packet loss")) else { return Ping::Impossible };
    let lost =
        sum.split(", ").find_map(|part| part.strip_suffix(" packet loss")?.strip_suffix('%')?.parse::<f64>().ok());
    let times = text.lines().find(|line| line.contains("min/avg/max")).and_then(|line| line.split(" = ").nth(1));
    let mut times = times.unwrap_or_default().split(['/', ' ']).filter_map(|text| text.parse::<f64>().ok()).skip(1);
    match (lost, times.next(), times.next()) {
        (Some(lost), Some(mean_ms), Some(max_ms)) => {
            Ping::Answered { lost_percent: lost.round() as u32, mean_ms, max_ms }
        }
        _ => Ping::Silent,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn iw_is_understood() {
        assert_eq!((power_save("Power save: on\n"), power_save("Power save: off\n")), (Some(true), Some(false)));
        assert_eq!(power_save("command failed\n"), None);
        let text = "Connected to 12:34:56:78:9a:bc (on wlan0)\n\tSSID: garden\n\tfreq: 2437.0\n\tRX: 1 bytes (1 packets)\n\
                    \tsignal: -51 dBm\n\ttx bitrate: 65.0 MBit/s\n";
        let wanted = Link { rate_mbit: Some(65.0), signal_dbm: Some(-51), frequency_mhz: Some(2437) };
        assert_eq!(link(text), Some(wanted));
        assert_eq!(link("Not connected.\n"), None);
        assert_eq!(link("Connected to 12:34:56:78:9a:bc (on wlan0)\n"), Some(Link::default()));
        let text = "global\ncountry DE: DFS-ETSI\n\t(2400 - 2483 @ 40), (N/A, 20), (N/A)\n";
        assert_eq!(country(text).as_deref(), Some("DE"));
        assert_eq!(country(&format!("{text}\nphy#0\ncountry 99: DFS-UNSET\n")).as_deref(), Some("99"));
        assert_eq!(country("nothing"), None);
    }

    #[test]
    fn ping_is_understood() {
        let iputils = "PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n\n--- 10.0.0.1 ping statistics ---\n\
                       10 packets transmitted, 9 received, 10% packet loss, time 1812ms\n\
                       rtt min/avg/max/mdev = 2.110/6.990/39.653/7.566 ms\n";
        assert_eq!(answers(iputils), Ping::Answered { lost_percent: 10, mean_ms: 6.99, max_ms: 39.653 });
        let busybox = "10 packets transmitted, 10 packets received, 0% packet loss\n\
                       round-trip min/avg/max = 0.043/0.055/0.068 ms\n";
        assert_eq!(answers(busybox), Ping::Answered { lost_percent: 0, mean_ms: 0.055, max_ms: 0.068 });
        let silent = "10 packets transmitted, 0 received, +4 errors, 100% packet loss, time 4000ms\npipe 3\n";
        assert_eq!(answers(silent), Ping::Silent);
        assert_eq!(answers("ping: socket: Operation not permitted"), Ping::Impossible);
    }

    #[test]
    fn the_router_is_read_from_the_kernels_table() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n\
                     wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\n\
                     wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\n";
        #[cfg(target_endian = "little")]
        assert_eq!(default_route(table), Some(Ipv4Addr::new(192, 168, 1, 1).into()));
        assert_eq!(default_route("Iface\tDestination\n"), None);
    }

    #[test]
    fn memory_is_what_can_be_had() {
        let text = "MemTotal:         443080 kB\nMemFree:           20000 kB\nMemAvailable:     301234 kB\n";
        assert_eq!(memory(text), Some((301_234, 443_080)));
        assert_eq!(memory("MemTotal: 1 kB\n"), None);
    }
}
