//! TLS: handshakes, certificates, and that behind them everything is as without.

// Behind the handshake: messages, large and many, ends of connections.
mod serve;

// Who gets through a handshake, in which version, and what a handshake may take from others.
mod handshake;

// A certificate is renewed: SIGHUP, CONFIG SET.
mod renew;

// What makes no sense is named at start.
mod refuse;

// Certificates for the tests.
mod authority;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

pub(crate) use authority::Authority;

use crate::support::{Client, DEADLINE, Directory, Protocol, Server, Socket, free_port, oracle};

/// A server with a certificate by `authority`, and nobody asked for one. `flags` come last.
pub(crate) struct TlsServer {
    pub(crate) server: Server,
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    pub(crate) directory: Directory,
}

impl TlsServer {
    #[track_caller]
    pub(crate) fn start(name: &str, flags: &[&str]) -> TlsServer {
        let directory = Directory::new(name);
        let authority = Authority::new("authority");
        authority.write_server_certificate(&directory);
        TlsServer::with(directory, authority, flags)
    }

    /// With the certificate that is in the directory already.
    #[track_caller]
    fn with(directory: Directory, authority: Authority, flags: &[&str]) -> TlsServer {
        let port = if oracle().is_some() { free_port().to_string() } else { "auto".to_owned() };
        let (certificate, key) = (directory.file("server.crt"), directory.file("server.key"));
        let mut all = vec!["--tls-port", &port, "--tls-cert-file", &certificate, "--tls-key-file", &key];
        if !flags.contains(&"--tls-auth-clients") {
            all.extend(["--tls-auth-clients", "no"]);
        }
        all.extend(flags);
        let server = Server::start_with(&all);
        let port = port.parse().unwrap_or_else(|_| {
            let line = server.wait_for_log(|line| line.contains("Ready to accept connections tls"));
            line.split("port=").nth(1).expect("the port").trim().parse().expect("a number")
        });
        TlsServer { server, port, authority, directory }
    }

    /// A connection of somebody who trusts the authority.
    #[track_caller]
    fn client(&self) -> Client {
        self.connect(self.authority.client()).expect("a handshake")
    }

    #[track_caller]
    fn speaking(&self, protocol: Protocol) -> Client {
        self.client().speak(protocol)
    }

    /// A connection, if there is a handshake. In TLS 1.3 a client ends its part before the server does: it is heard only
    /// then.
    fn connect(&self, config: ClientConfig) -> Result<Client, std::io::Error> {
        TlsServer::over(self.silent(), config)
    }

    fn over(socket: TcpStream, config: ClientConfig) -> Result<Client, std::io::Error> {
        let mut stream = stream(socket, config);
        stream.write_all(b"PING\r\n")?;
        let mut pong = [0; 7];
        stream.read_exact(&mut pong)?;
        assert_eq!(&pong, b"+PONG\r\n");
        Ok(Client::over(Tls(stream)))
    }

    /// A connection that has said nothing.
    fn silent(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).expect("connect")
    }

    fn handshake_errors(&self) -> u64 {
        self.server.info("tls_handshake_errors").parse().expect("a number")
    }
}

fn stream(socket: TcpStream, config: ClientConfig) -> StreamOwned<ClientConnection, TcpStream> {
    socket.set_read_timeout(Some(DEADLINE)).expect("read timeout");
    let name = "localhost".try_into().expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a session"), socket)
}

/// An encrypted socket. Its end without `close_notify` fails a test.
struct Tls(StreamOwned<ClientConnection, TcpStream>);

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Socket for Tls {
    fn limit_reads(&self, timeout: Duration) {
        self.0.sock.set_read_timeout(Some(timeout)).expect("read timeout");
    }

    fn another(&self) -> Box<dyn Write + Send> {
        panic!("one who writes must also read: an encrypted stream has one owner")
    }

    fn end_of_input(&self) {
        self.0.sock.shutdown(std::net::Shutdown::Write).expect("shutdown");
    }
}
