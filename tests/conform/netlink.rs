//! Messages to and from netfilter in the kernel: who logs what, and which connections there are.
//!
//! The numbers are those of `linux/netlink.h` and `linux/netfilter/nfnetlink*.h`.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};

const REQUEST: u16 = 0x1;
const CREATE_NEW: u16 = 0x600;
const NESTED: u16 = 0x8000;

/// Bytes that wait for whoever reads, so that no packet is lost.
const WAITING: usize = 64 << 20;

/// A message that is being written.
pub struct Message(Vec<u8>);

impl Message {
    /// For a part of netfilter; `number` is the group of logs, or 0.
    pub fn new(part: u8, kind: u8, creates: bool, family: u8, number: u16) -> Self {
        let flags = REQUEST | if creates { CREATE_NEW } else { 0 };
        let mut bytes = vec![0; 4];
        bytes.extend((u16::from(part) << 8 | u16::from(kind)).to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([family, 0]);
        bytes.extend(number.to_be_bytes());
        Message(bytes)
    }

    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).expect("a short attribute");
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// An attribute that is made of attributes.
    pub fn with_nested(self, kind: u16, of: impl FnOnce(Message) -> Message) -> Self {
        let inner = of(Message(Vec::new()));
        self.with(kind | NESTED, &inner.0)
    }

    fn bytes(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).expect("a short message");
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

/// A connection to netfilter, in the namespace of the thread that made it.
pub struct Netlink(OwnedFd);

impl Netlink {
    pub fn new() -> Self {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        );
        let socket = socket.expect("root may talk to netfilter");
        setsockopt(&socket, sockopt::RcvBufForce, &WAITING)
            .expect("root may have much in a buffer");
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0)).expect("an address of its own");
        Self(socket)
    }

    pub fn tell(&self, message: Message) {
        let bytes = message.bytes();
        send(self.0.as_raw_fd(), &bytes, MsgFlags::empty()).expect("netfilter listens");
    }

    /// What has come by now, each message from its header of netfilter on, with its kind. Complaints
    /// about what was told are errors.
    pub fn heard(&self, buffer: &mut [u8], mut each: impl FnMut(u16, &[u8])) -> Result<(), Errno> {
        loop {
            let length = match recv(self.0.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => length,
                Err(Errno::EAGAIN) => return Ok(()),
                Err(error) => return Err(error),
            };
            let mut rest = &buffer[..length];
            while let Some(header) = rest.get(..16) {
                let whole = usize::try_from(word(header)).unwrap_or(usize::MAX).min(rest.len());
                let kind = u16::from_ne_bytes([header[4], header[5]]);
                let body = rest.get(16..whole).unwrap_or_default();
                // 2 is a complaint, or a good word that is none.
                if kind == 2 && word(body) != 0 {
                    return Err(Errno::from_raw(-word(body).cast_signed()));
                }
                if kind > 16 {
                    each(kind, body);
                }
                rest = rest.get(whole.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes[..4].try_into().expect("four bytes"))
}

/// The attributes behind the header of netfilter, by their kinds.
pub fn attributes(body: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = body.get(4..).unwrap_or_default();
    std::iter::from_fn(move || {
        let header = rest.get(..4)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}
