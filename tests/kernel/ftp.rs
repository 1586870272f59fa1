//! A session of FTP: a control connection, and a data connection whose port the two sides name on
//! it. Just enough of RFC 959 and RFC 2428 for a helper to have something to read.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::netns::Namespace;

/// Who opens the data connection, and how its port is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The client, to where the server says: `PASV` on IPv4.
    Passive,
    /// The client, to the port that the server says: `EPSV`.
    ExtendedPassive,
    /// The server, to where the client says: `PORT` on IPv4.
    Active,
    /// The same in the words of both families: `EPRT`.
    ExtendedActive,
}

impl Mode {
    /// Those that a family has.
    pub fn of(address: IpAddr) -> &'static [Mode] {
        match address {
            IpAddr::V4(_) => {
                &[Mode::Passive, Mode::ExtendedPassive, Mode::Active, Mode::ExtendedActive]
            }
            IpAddr::V6(_) => &[Mode::ExtendedPassive, Mode::ExtendedActive],
        }
    }
}

/// What a client got.
#[derive(Debug, PartialEq, Eq)]
pub enum Session {
    /// The file, over a data connection of its own.
    Fetched,
    /// The two talked, and no data connection came about.
    NoData,
    /// Not even a control connection.
    NoControl,
}

const FILE: &str = "what the file says";

/// Serves one client after the other on one port.
///
/// The port stays open in between: a process that another test starts holds a copy of it for a
/// moment, and it could not be opened anew.
pub struct Server<'n> {
    namespace: &'n Namespace,
    listener: TcpListener,
}

impl<'n> Server<'n> {
    pub fn on(namespace: &'n Namespace, port: u16) -> Self {
        let listener = namespace.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)));
        let listener = listener.unwrap_or_else(|error| panic!("cannot listen on {port}: {error}"));
        Self { namespace, listener }
    }

    /// A client fetches a file from `to`, which leads here. Nobody waits longer than `patience`.
    pub fn session(
        &self,
        client: &Namespace,
        to: SocketAddr,
        mode: Mode,
        patience: Duration,
    ) -> Session {
        thread::scope(|scope| {
            scope.spawn(|| self.namespace.run(|| serve(&self.listener, patience)));
            client.run(|| fetch(to, mode, patience))
        })
    }
}

fn fetch(to: SocketAddr, mode: Mode, patience: Duration) -> Session {
    let Ok(mut control) = Control::open(to, patience) else { return Session::NoControl };
    match control.fetch(mode, patience) {
        Ok(text) => {
            assert_eq!(text, FILE, "{mode:?}");
            Session::Fetched
        }
        Err(_) => Session::NoData,
    }
}

/// A connection on which lines are exchanged.
struct Control {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Control {
    fn open(to: SocketAddr, patience: Duration) -> io::Result<Self> {
        let mut control = Self::over(TcpStream::connect_timeout(&to, patience)?, patience)?;
        control.expect("220")?;
        // The helper reads a line only where one has ended before.
        control.say("USER anonymous")?;
        control.expect("230")?;
        Ok(control)
    }

    fn over(stream: TcpStream, patience: Duration) -> io::Result<Self> {
        stream.set_read_timeout(Some(patience))?;
        let reader = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, reader })
    }

    /// In one packet, as helpers want it.
    fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\r\n").as_bytes())
    }

    fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn expect(&mut self, code: &str) -> io::Result<String> {
        let line = self.hear()?;
        if line.starts_with(code) { Ok(line) } else { Err(io::Error::other(line)) }
    }

    fn fetch(&mut self, mode: Mode, patience: Duration) -> io::Result<String> {
        let (own, peer) = (self.stream.local_addr()?.ip(), self.stream.peer_addr()?.ip());
        let mut data = match mode {
            Mode::Passive => {
                self.say("PASV")?;
                let to = numbers(&self.expect("227")?).ok_or(io::ErrorKind::InvalidData)?;
                let data = TcpStream::connect_timeout(&to, patience)?;
                self.say("RETR")?;
                data
            }
            Mode::ExtendedPassive => {
                self.say("EPSV")?;
                let port = extended_port(&self.expect("229")?).ok_or(io::ErrorKind::InvalidData)?;
                let data = TcpStream::connect_timeout(&(peer, port).into(), patience)?;
                self.say("RETR")?;
                data
            }
            Mode::Active | Mode::ExtendedActive => {
                let listener = TcpListener::bind((own, 0))?;
                let port = listener.local_addr()?.port();
                self.say(&here(mode, own, port))?;
                self.expect("200")?;
                self.say("RETR")?;
                accept(&listener, patience)?
            }
        };
        data.set_read_timeout(Some(patience))?;
        let mut text = String::new();
        data.read_to_string(&mut text)?;
        Ok(text)
    }
}

/// Serves one client, until it goes or is silent for too long.
fn serve(listener: &TcpListener, patience: Duration) {
    let served: io::Result<()> = accept(listener, patience).and_then(|stream| {
        let (own, mut data) = (stream.local_addr()?.ip().to_canonical(), None);
        let mut control = Control::over(stream, patience)?;
        control.say("220 ready")?;
        loop {
            let line = control.hear()?;
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "USER" => control.say("230 welcome")?,
                "PASV" | "EPSV" => {
                    let listener = TcpListener::bind((own, 0))?;
                    let port = listener.local_addr()?.port();
                    control.say(&entering(word, own, port))?;
                    data = Some(Data::Awaited(listener));
                }
                "PORT" | "EPRT" => {
                    let to = if word == "PORT" { numbers(rest) } else { extended(rest) };
                    data = to.map(Data::To);
                    control.say("200 so be it")?;
                }
                _ => {
                    let mut stream = match data.take() {
                        Some(Data::Awaited(listener)) => accept(&listener, patience)?,
                        Some(Data::To(to)) => TcpStream::connect_timeout(&to, patience)?,
                        None => return Err(io::Error::other(line)),
                    };
                    stream.write_all(FILE.as_bytes())?;
                }
            }
        }
    });
    // The client hangs up, or what a rule stops never comes.
    assert!(served.is_err(), "a server has no end of its own");
}

/// How the data connection comes about, for the server.
enum Data {
    Awaited(TcpListener),
    To(SocketAddr),
}

fn accept(listener: &TcpListener, patience: Duration) -> io::Result<TcpStream> {
    let mut waiting = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(patience).expect("a test waits seconds");
    match poll(&mut waiting, timeout)? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => listener.accept().map(|(stream, _)| stream),
    }
}

fn here(mode: Mode, own: IpAddr, port: u16) -> String {
    match (mode, own) {
        (Mode::Active, IpAddr::V4(own)) => format!("PORT {}", six(own, port)),
        (_, IpAddr::V4(own)) => format!("EPRT |1|{own}|{port}|"),
        (_, IpAddr::V6(own)) => format!("EPRT |2|{own}|{port}|"),
    }
}

fn entering(word: &str, own: IpAddr, port: u16) -> String {
    match (word, own) {
        ("PASV", IpAddr::V4(own)) => format!("227 Entering Passive Mode ({}).", six(own, port)),
        _ => format!("229 Entering Extended Passive Mode (|||{port}|)"),
    }
}

/// `h1,h2,h3,h4,p1,p2`
fn six(address: Ipv4Addr, port: u16) -> String {
    let [a, b, c, d] = address.octets();
    let [high, low] = port.to_be_bytes();
    format!("{a},{b},{c},{d},{high},{low}")
}

/// The address and port of six numbers, wherever they stand in a line.
fn numbers(line: &str) -> Option<SocketAddr> {
    let six = line.rsplit(['(', ' ']).next()?.trim_end_matches([')', '.']);
    let parts: Vec<u8> = six.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [a, b, c, d, high, low] = parts[..] else { return None };
    Some((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])).into())
}

/// `|1|192.0.2.1|1024|`
fn extended(rest: &str) -> Option<SocketAddr> {
    let mut fields = rest.split('|').skip(2);
    let address: IpAddr = fields.next()?.parse().ok()?;
    Some((address, fields.next()?.parse().ok()?).into())
}

/// `229 … (|||1024|)`
fn extended_port(line: &str) -> Option<u16> {
    line.split('|').nth(3)?.parse().ok()
}
