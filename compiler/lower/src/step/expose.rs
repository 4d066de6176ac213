//! `EXPOSE`

use imgc_base::Diagnostic;
use imgc_base::config::Empty;
use imgc_syntax::dockerfile::ast::Word;

use super::{Outcome, word};
use crate::build::Builder;
use crate::code::{BOUND, PORT};
use crate::gofmt::plain_list;
use crate::state::State;

/// The most ports that one instruction may name: every port of every protocol.
const MAX_PORTS: usize = 3 * 65_536;

/// The only instruction whose words are split again after expansion; they are taken in the order of their letters, as docker
/// does, which the history shows.
pub(super) fn lower(builder: &mut Builder<'_, '_>, state: &mut State, words: &[Word]) -> Outcome {
    let mut ports = Vec::new();
    let mut errors = Vec::new();
    let mut words: Vec<&Word> = words.iter().collect();
    words.sort_by(|a, b| a.value.cmp(&b.value));
    for one in words {
        let done = match word(builder, state, one) {
            Ok(done) => done,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        for text in done.words {
            match parse(&text) {
                Ok(port) => {
                    ports
                        .extend((port.first..=port.last).map(|number| format!("{number}/{}", port.protocol)));
                }
                Err(message) => errors.push(
                    Diagnostic::error(PORT, message)
                        .at(one.span, "not a port")
                        .help("write `EXPOSE 8080`, `EXPOSE 53/udp` or `EXPOSE 8000-8010`"),
                ),
            }
            if ports.len() > MAX_PORTS {
                errors
                    .push(Diagnostic::error(BOUND, "more ports than there are").at(one.span, "one too many"));
                return Err(errors);
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    state.note(format!("EXPOSE {}", plain_list(&ports)));
    state.config.exposed_ports.extend(ports.into_iter().map(|port| (port, Empty {})));
    Ok(())
}

/// A port or a range of ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    /// The first.
    pub(crate) first: u16,
    /// The last.
    pub(crate) last: u16,
    /// `tcp`, `udp` or `sctp`.
    pub(crate) protocol: &'static str,
    /// The protocol as written, if it was.
    pub(crate) written: Option<String>,
    /// An address or a host's port stood in front.
    pub(crate) mapped: bool,
}

/// Reads `[[IP:]HOST-PORT:]PORT[-PORT][/PROTOCOL]`.
pub(crate) fn parse(text: &str) -> Result<Port, String> {
    let (host, container) = text.rsplit_once(':').map_or((None, text), |(host, port)| (Some(host), port));
    let (range, written) = match container.split_once('/') {
        Some((range, protocol)) => (range, Some(protocol)),
        None => (container, None),
    };
    if range.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    let protocol = match written.unwrap_or_default().to_lowercase().as_str() {
        "" | "tcp" => "tcp",
        "udp" => "udp",
        "sctp" => "sctp",
        other => return Err(format!("invalid proto: {other}")),
    };
    let (first, last) = port_range(range).ok_or_else(|| format!("invalid containerPort: {range}"))?;
    if let Some(host) = host {
        let (address, port) = host.rsplit_once(':').map_or(("", host), |(address, port)| (address, port));
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        if !bare.is_empty() && bare.parse::<std::net::IpAddr>().is_err() {
            return Err(format!("invalid IP address: {address}"));
        }
        if !port.is_empty() {
            let (from, to) = port_range(port).ok_or_else(|| format!("invalid hostPort: {port}"))?;
            // Many of the host's ports may lead to one; the other way round makes no sense.
            if last - first != to - from && last != first {
                return Err(format!(
                    "invalid ranges specified for container and host Ports: {range} and {port}"
                ));
            }
        }
    }
    Ok(Port { first, last, protocol, written: written.map(str::to_owned), mapped: host.is_some() })
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        for (text, first, last, protocol, mapped) in [
            ("80", 80, 80, "tcp", false),
            ("80/", 80, 80, "tcp", false),
            ("53/UDP", 53, 53, "udp", false),
            ("9/sctp", 9, 9, "sctp", false),
            ("0-65535", 0, 65535, "tcp", false),
            ("40000-40001/udp", 40000, 40001, "udp", false),
            ("127.0.0.1:80:81", 81, 81, "tcp", true),
            ("[::1]:80:81/udp", 81, 81, "udp", true),
            ("8000-8010:80", 80, 80, "tcp", true),
            ("::80", 80, 80, "tcp", true),
        ] {
            let port = parse(text).unwrap();
            assert_eq!(
                (port.first, port.last, port.protocol, port.mapped),
                (first, last, protocol, mapped),
                "{text}"
            );
        }
        for (text, message) in [
            ("/tcp", "no port specified: /tcp<empty>"),
            ("80/http", "invalid proto: http"),
            ("65536", "invalid containerPort: 65536"),
            ("a", "invalid containerPort: a"),
            ("2-1", "invalid containerPort: 2-1"),
            ("1-2-3", "invalid containerPort: 1-2-3"),
            ("+80", "invalid containerPort: +80"),
            ("x:80:81", "invalid IP address: x"),
            ("x:81", "invalid hostPort: x"),
            ("1-2:3-5", "invalid ranges specified for container and host Ports: 3-5 and 1-2"),
        ] {
            assert_eq!(parse(text).unwrap_err(), message, "{text}");
        }
    }
}
