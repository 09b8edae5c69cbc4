//! Whose request it is, for the limits: an address, behind trusted proxies the one that they name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::dev::ServiceRequest;
use ipnet::IpNet;

/// Who is limited together: one IPv4 address, or one IPv6 network of 64 bits, which is what one customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Client {
    V4(Ipv4Addr),
    V6([u8; 8]),
    /// Everybody who no longer has a place of his own.
    Others,
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) => Self::V6(v6.octets().first_chunk().copied().unwrap_or_default()),
        }
    }
}

/// The client of a request. `None`: a program on this machine, with no proxy before us; it is not limited.
pub(super) fn of(request: &ServiceRequest, proxies: &[IpNet]) -> Option<Client> {
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical())?;
    if proxies.is_empty() && peer.is_loopback() {
        return None;
    }
    let headers = request.headers().get_all("x-forwarded-for");
    let named: Vec<&str> = headers
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    Some(Client::from(rightmost_untrusted(peer, &named, proxies)))
}

/// Each proxy appends the address that it sees, so the list is believed from its end as long as the one who appended is
/// trusted. What stands further left anybody could have written.
fn rightmost_untrusted(peer: IpAddr, named: &[&str], proxies: &[IpNet]) -> IpAddr {
    let trusted = |address: &IpAddr| proxies.iter().any(|net| net.contains(address));
    let mut client = peer;
    for text in named.iter().rev() {
        if !trusted(&client) {
            break;
        }
        let Some(address) = address(text.trim()) else {
            break;
        };
        client = address;
    }
    client
}

/// An address, as some proxies write it also with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.parse().ok();
    bare.or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip()))
        .map(|a: IpAddr| a.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn client(peer: &str, named: &[&str], proxies: &[&str]) -> String {
        let proxies: Vec<IpNet> = proxies.iter().map(|p| p.parse().unwrap()).collect();
        rightmost_untrusted(peer.parse().unwrap(), named, &proxies).to_string()
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        let proxies = ["10.0.0.0/8", "fd00::/8"];
        let cases: [(&str, &[&str], &str); 10] = [
            ("1.2.3.4", &[], "1.2.3.4"),
            ("1.2.3.4", &["9.9.9.9"], "1.2.3.4"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["9.9.9.9"], "9.9.9.9"),
            ("10.0.0.1", &["8.8.8.8", " 9.9.9.9"], "9.9.9.9"),
            ("10.0.0.1", &["9.9.9.9", "10.0.0.2"], "9.9.9.9"),
            ("10.0.0.1", &["10.0.0.3", "10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["9.9.9.9", "nonsense"], "10.0.0.1"),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("10.0.0.1", &["::ffff:9.9.9.9"], "9.9.9.9"),
        ];
        for (peer, named, expected) in cases {
            assert_eq!(client(peer, named, &proxies), expected, "{peer} {named:?}");
        }
        assert_eq!(client("10.0.0.1", &["9.9.9.9"], &[]), "10.0.0.1");
    }

    #[test]
    fn a_network_of_64_bits_is_one_client() {
        let of = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8:0:0:ffff::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:9.9.9.9"), of("9.9.9.9"));
    }
}
