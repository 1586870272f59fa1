//! A question over the network, and what became of it.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::netns::Namespace;

#[derive(Clone, Copy, Debug)]
pub enum Probe {
    Tcp(IpAddr, u16),
    Udp(IpAddr, u16),
    /// An ICMP or `ICMPv6` echo request.
    Echo(IpAddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The way there and back is open.
    Answered { peer_seen_by_server: IpAddr },
    /// The same, of an echo, whose answer does not tell whom it saw.
    Echoed,
    /// A reset, or an ICMP error that says that the port is closed.
    Refused,
    /// An ICMP error that says that there is no way or that it is forbidden, or no route here.
    Unreachable,
    /// The asker's own OUTPUT chain dropped it; the kernel tells a datagram's sender.
    Forbidden,
    /// Silence.
    TimedOut,
}

impl Probe {
    /// Asks from inside a namespace and waits at most `patience` for each step.
    pub fn send(self, from: &Namespace, patience: Duration) -> Outcome {
        let answer = from.run(|| match self {
            Self::Tcp(to, port) => tcp_connect((to, port).into(), patience),
            Self::Udp(to, port) => udp_exchange((to, port).into(), patience),
            Self::Echo(to) => echo(to, patience),
        });
        answer.unwrap_or_else(|error| match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ECONNREFUSED | Errno::ECONNRESET) => Outcome::Refused,
            // EACCES is how a socket tells of ICMPv6 "administratively prohibited".
            Some(Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EACCES) => Outcome::Unreachable,
            Some(Errno::EPERM) => Outcome::Forbidden,
            Some(Errno::EAGAIN | Errno::ETIMEDOUT) => Outcome::TimedOut,
            _ if error.kind() == io::ErrorKind::TimedOut => Outcome::TimedOut,
            _ => panic!("{self:?} failed in an unknown way: {error}"),
        })
    }
}

fn tcp_connect(to: SocketAddr, patience: Duration) -> io::Result<Outcome> {
    let mut stream = TcpStream::connect_timeout(&to, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answered(&answer))
}

fn udp_exchange(to: SocketAddr, patience: Duration) -> io::Result<Outcome> {
    let socket = UdpSocket::bind((any(to.ip()), 0))?;
    let mut buffer = [0; 64];
    let answer = exchange(&socket, to, b"?", &mut buffer, patience)?;
    Ok(answered(str::from_utf8(answer).expect("the server writes text")))
}

/// By a socket that knows only echo: the kernel fills in identifier and checksum, and hands over
/// nothing but the answer to the request.
fn echo(to: IpAddr, patience: Duration) -> io::Result<Outcome> {
    let (family, protocol, request) = match to {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp, 8),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6, 128),
    };
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, protocol)?;
    // Only its reading and writing is used, which is the same for every socket of datagrams.
    let socket = UdpSocket::from(socket);
    let message = [request, 0, 0, 0, 0, 0, 0, 1];
    exchange(&socket, (to, 0).into(), &message, &mut [0; 64], patience)?;
    Ok(Outcome::Echoed)
}

fn exchange<'a>(
    socket: &UdpSocket,
    to: SocketAddr,
    message: &[u8],
    buffer: &'a mut [u8],
    patience: Duration,
) -> io::Result<&'a [u8]> {
    // Only a connected socket is told of ICMP errors.
    socket.connect(to)?;
    socket.set_read_timeout(Some(patience))?;
    socket.send(message)?;
    let length = socket.recv(buffer)?;
    Ok(&buffer[..length])
}

fn answered(peer: &str) -> Outcome {
    let peer: SocketAddr =
        peer.parse().unwrap_or_else(|_| panic!("the server wrote {peer:?}, which is no address"));
    // The server's socket is of IPv6 and sees IPv4 peers as ::ffff:a.b.c.d.
    Outcome::Answered { peer_seen_by_server: peer.ip().to_canonical() }
}

fn any(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
