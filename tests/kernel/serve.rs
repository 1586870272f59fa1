//! A server that tells everyone who asks from which address the question came.

use std::io::{self, Write};
use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::netns::Namespace;

/// Answers on one port, in both families and on all addresses, until it is dropped.
pub struct Service {
    /// Its other end hangs up when this one is dropped, and the thread sees that.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Accepts connections, writes the peer's address and closes.
    pub fn tcp(namespace: &Namespace, port: u16) -> Self {
        let listener = namespace.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)));
        let listener = listener.unwrap_or_else(|error| panic!("cannot listen on {port}: {error}"));
        listener.set_nonblocking(true).expect("a socket can be made not to block");
        Self::start(listener, |listener| {
            let (mut connection, peer) = listener.accept()?;
            connection.write_all(peer.to_string().as_bytes())
        })
    }

    /// Answers each datagram with the address it came from.
    ///
    /// The answer comes from the address of the interface towards the peer, so ask the host at the
    /// address of that side.
    pub fn udp(namespace: &Namespace, port: u16) -> Self {
        let socket = namespace.run(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)));
        let socket = socket.unwrap_or_else(|error| panic!("cannot bind to {port}: {error}"));
        socket.set_nonblocking(true).expect("a socket can be made not to block");
        Self::start(socket, |socket| {
            let (_length, peer) = socket.recv_from(&mut [0; 64])?;
            socket.send_to(peer.to_string().as_bytes(), peer).map(drop)
        })
    }

    fn start<S: AsFd + Send + 'static>(
        socket: S,
        answer: impl Fn(&S) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let (stop, stopped) = UnixStream::pair().expect("a pair of sockets can be made");
        let thread = thread::spawn(move || {
            while wait(&socket, &stopped) {
                // Whoever asked may have gone, or a rule may stop the answer: the one who asked
                // says so, and the next one is to be answered all the same.
                let _ = answer(&socket);
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            // Not raised again: a panic while one unwinds ends the process.
            eprintln!("a server broke: {panic:?}");
        }
    }
}

/// Sleeps until somebody asks, which is `true`, or the service is to stop.
fn wait(socket: &impl AsFd, stopped: &UnixStream) -> bool {
    let mut both = [
        PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
    ];
    loop {
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) => return both[1].any() == Some(false),
            Err(Errno::EINTR) => {}
            Err(error) => panic!("cannot wait for packets: {error}"),
        }
    }
}
