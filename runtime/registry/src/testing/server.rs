//! A small HTTP/1.1 server that answers by script, and badly where the script says so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request that a server got.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// `https://reg.test`, as the client addressed it.
    pub origin: String,
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it came.
    pub body: Vec<u8>,
}

impl Seen {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Everything of it as one text, to search in.
    pub fn text(&self) -> String {
        let headers: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!(
            "{} {}\n{}\n{}",
            self.method,
            self.path,
            headers.join("\n"),
            String::from_utf8_lossy(&self.body)
        )
    }
}

/// What goes wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The connection ends after so many bytes of the body, of which the length was announced.
    Cut(usize),
    /// The connection ends before the answer.
    Gone,
    /// The connection ends after so many bytes of the request's body.
    Deaf(usize),
    /// The length is not announced; the body ends with the connection.
    Endless,
    /// Chunked, cut before the last chunk.
    Chunked,
    /// These bytes instead of an answer.
    Raw(Vec<u8>),
    /// No answer at all until the client goes away.
    Stuck,
    /// A few bytes at a time.
    Slow,
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    fault: Fault,
}

impl Answer {
    /// An empty answer.
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, bytes: &[u8]) -> Self {
        self.body = bytes.to_vec();
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a fault.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }
}

/// One listening server; it ends when dropped.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// `answer` sees the request's head, `record` the whole.
    pub(super) fn start(
        answer: impl Fn(&mut Seen) -> Answer + Send + Sync + 'static,
        record: impl Fn(Seen) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
        let address = listener.local_addr().expect("a bound socket has an address");
        let stop = Arc::new(AtomicBool::new(false));
        let (calls, stopped) = (Arc::new((answer, record)), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), calls) = (stream, Arc::clone(&calls)) else { continue };
                std::thread::spawn(move || while serve(&stream, &calls.0, &calls.1).unwrap_or(false) {});
            }
        });
        Self { address, stop }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the listener so that it sees the flag.
        drop(TcpStream::connect(self.address));
    }
}

/// Answers one request. True if the connection stays.
fn serve(
    stream: &TcpStream,
    answer: &dyn Fn(&mut Seen) -> Answer,
    record: &dyn Fn(Seen),
) -> std::io::Result<bool> {
    let mut from = BufReader::with_capacity(1, stream);
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(false);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut seen = Seen {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        ..Seen::default()
    };
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        seen.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = seen.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0_usize);
    let mut stream = stream;
    let answer = answer(&mut seen);
    let wanted = if let Fault::Deaf(count) = answer.fault { length.min(count) } else { length };
    let mut body = vec![0; wanted];
    let mut got = 0;
    while got < wanted {
        match stream.read(&mut body[got..])? {
            0 => break,
            count => got += count,
        }
    }
    body.truncate(got);
    seen.body = body;
    let head = seen.method == "HEAD";
    record(seen);
    write(stream, &answer, head)
}

fn write(mut stream: &TcpStream, answer: &Answer, head: bool) -> std::io::Result<bool> {
    let mut text = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    for (name, value) in &answer.headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    let has = |wanted: &str| answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let end = |stream: &TcpStream| {
        stream.shutdown(Shutdown::Both)?;
        Ok(false)
    };
    match &answer.fault {
        Fault::Gone | Fault::Deaf(_) => return end(stream),
        Fault::Stuck => {
            // Ends when the client closes.
            stream.read_exact(&mut [0])?;
            return end(stream);
        }
        Fault::Raw(bytes) => {
            stream.write_all(bytes)?;
            return end(stream);
        }
        Fault::Endless => text.push_str("Connection: close\r\n"),
        Fault::Chunked => text.push_str("Transfer-Encoding: chunked\r\n"),
        _ if has("content-length") => {}
        _ => text.extend(["Content-Length: ", &answer.body.len().to_string(), "\r\n"]),
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes())?;
    if head {
        return Ok(true);
    }
    match answer.fault {
        Fault::Cut(count) => {
            stream.write_all(&answer.body[..count.min(answer.body.len())])?;
            end(stream)
        }
        Fault::Endless => {
            stream.write_all(&answer.body)?;
            end(stream)
        }
        Fault::Chunked => {
            write!(stream, "{:x}\r\n", answer.body.len())?;
            stream.write_all(&answer.body)?;
            stream.write_all(b"\r\n")?;
            end(stream)
        }
        Fault::Slow => {
            for part in answer.body.chunks(37) {
                stream.write_all(part)?;
            }
            Ok(true)
        }
        _ => {
            stream.write_all(&answer.body)?;
            Ok(true)
        }
    }
}
